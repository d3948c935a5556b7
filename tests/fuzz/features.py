"""Ways in which a step's code can come to a number: through helpers, classes, closures, constants, files, variables.

A feature has two numbers of its own, ``a`` and ``b``, which edits change. Its pieces of source text go into modules of
the generated project; its ``call`` stands in the step's function; its ``value`` says in plain Python what the call
gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kind:
    """One way.

    Attributes:
        call: The expression in the step's function, over the param ``p``.
        value: p, a, b → what the call gives.
        pieces: Module → text; ``{n}`` is the feature's name, ``{a}`` and ``{b}`` its numbers.
        reads: What the step reads undeclared (``file``, ``missing``, ``listing``, ``variable``), or declares.
    """

    call: str
    value: Callable[[int, int, int], int]
    pieces: dict[str, str] = field(default_factory=dict)
    reads: str = ""


STEPS = "transforms.py"

KINDS: dict[str, Kind] = {
    "a chain of helpers over packages": Kind(
        "{n}_second(p)",
        lambda p, a, b: p * a + b,
        {
            "helpers/deep/third.py": "def {n}_third(p):\n    return p * {a}\n",
            "helpers/second.py": "from helpers.deep.third import {n}_third\n\n\n"
            "def {n}_second(p):\n    return {n}_third(p) + {b}\n",
            STEPS: "from helpers.second import {n}_second\n",
        },
    ),
    "a method with a base in another module": Kind(
        "{n}Model().score(p)",
        lambda p, a, b: (p + a) * b,
        {
            "helpers/base.py": "class {n}Base:\n    OFFSET = {a}\n\n"
            "    def score(self, p):\n        return p + self.OFFSET\n",
            "helpers/model.py": "from helpers.base import {n}Base\n\n\nclass {n}Model({n}Base):\n"
            "    def score(self, p):\n        return super().score(p) * {b}\n",
            STEPS: "from helpers.model import {n}Model\n",
        },
    ),
    "a metaclass": Kind(
        "{n}Made.bonus() + {n}Made.x + p",
        lambda p, a, b: a + b + p,
        {
            "helpers/meta.py": "class {n}Meta(type):\n    def bonus(cls):\n        return {a}\n",
            "helpers/made.py": "from helpers.meta import {n}Meta\n\n\nclass {n}Made(metaclass={n}Meta):\n    x = {b}\n",
            STEPS: "from helpers.made import {n}Made\n",
        },
    ),
    "a data class": Kind(
        "{n}Record().twice + {n}Record.more(p)",
        lambda p, a, b: a * 2 + p + b,
        {
            "helpers/records.py": "import dataclasses\n\n\n@dataclasses.dataclass(frozen=True)\nclass {n}Record:\n"
            "    first: int = {a}\n\n    @property\n    def twice(self):\n        return self.first * 2\n\n"
            "    @staticmethod\n    def more(p):\n        return p + {b}\n",
            STEPS: "from helpers.records import {n}Record\n",
        },
    ),
    "an instance that is called": Kind(
        "{n}_INSTANCE(p)",
        lambda p, a, b: p + a + b,
        {
            "helpers/instances.py": "class {n}Callable:\n    def __init__(self, k):\n        self.k = k\n\n"
            "    def __call__(self, p):\n        return p + self.k + {b}\n\n\n{n}_INSTANCE = {n}Callable({a})\n",
            STEPS: "from helpers.instances import {n}_INSTANCE\n",
        },
    ),
    "an enumeration": Kind(
        "{n}Kind.FIRST.value + {n}Kind['SECOND'].value * p",
        lambda p, a, b: a + (b + 100) * p,
        {
            "helpers/kinds.py": "import enum\n\n\nclass {n}Kind(enum.Enum):\n"
            "    FIRST = {a}\n    SECOND = {b} + 100\n    THIRD = -1\n",
            STEPS: "from helpers.kinds import {n}Kind\n",
        },
    ),
    "a closure": Kind(
        "{n}_inner(p)",
        lambda p, a, b: p + b + a,
        {
            "helpers/factories.py": "def {n}_make(k):\n    def inner(p):\n        return p + k + {a}\n\n"
            "    return inner\n",
            STEPS: "from helpers.factories import {n}_make\n\n{n}_inner = {n}_make({b})\n",
        },
    ),
    "a partial": Kind(
        "{n}_partial(p)",
        lambda p, a, b: b * a + p,
        {
            "helpers/factories.py": "def {n}_add(k, p):\n    return k * {a} + p\n",
            STEPS: "import functools\n\nfrom helpers.factories import {n}_add\n\n"
            "{n}_partial = functools.partial({n}_add, {b})\n",
        },
    ),
    "a decorator": Kind(
        "{n}_decorated(p)",
        lambda p, a, b: p * 2 + b + a,
        {
            "helpers/decorators.py": "import functools\n\n\ndef {n}_plus(k):\n    def wrap(function):\n"
            "        @functools.wraps(function)\n        def wrapped(p):\n            return function(p) + k + {a}\n\n"
            "        return wrapped\n\n    return wrap\n",
            STEPS: "from helpers.decorators import {n}_plus\n\n\n@{n}_plus({b})\n"
            "def {n}_decorated(p):\n    return p * 2\n",
        },
    ),
    "a cached function": Kind(
        "{n}_cached(p)",
        lambda p, a, b: p + a - b,
        {
            "helpers/decorators.py": "import functools\n\n\n@functools.lru_cache(maxsize=None)\ndef {n}_cached(p):\n"
            "    return p + {a} - {b}\n",
            STEPS: "from helpers.decorators import {n}_cached\n",
        },
    ),
    "functions in a container": Kind(
        "{n}_HANDLERS['one'](p) + {n}_HANDLERS['more'][0](p)",
        lambda p, a, b: p + a + p * b,
        {
            "helpers/handlers.py": "def {n}_one(p):\n    return p + {a}\n\n\ndef {n}_two(p):\n    return p * {b}\n\n\n"
            "{n}_HANDLERS = {{'one': {n}_one, 'more': [{n}_two]}}\n",
            STEPS: "from helpers.handlers import {n}_HANDLERS\n",
        },
    ),
    "a re-export": Kind(
        "helpers.facade.{n}_shown(p)",
        lambda p, a, b: p + a * b,
        {
            "helpers/facade/hidden.py": "def {n}_hidden(p):\n    return p + {a} * {b}\n",
            "helpers/facade/__init__.py": "from helpers.facade.hidden import {n}_hidden as {n}_shown\n",
            STEPS: "import helpers.facade\n",
        },
    ),
    "a star import": Kind(
        "{n}_star(p)",
        lambda p, a, b: p + a + b,
        {
            "helpers/stars.py": "{n}_STAR = {b}\n\n\ndef {n}_star(p):\n    return p + {a} + {n}_STAR\n",
            STEPS: "from helpers.stars import *\n",
        },
    ),
    "an import inside a function": Kind(
        "{n}_lazy(p)",
        lambda p, a, b: p + a + b,
        {
            "helpers/lazy.py": "def {n}_inside(p):\n    return p + {a}\n",
            STEPS: "def {n}_lazy(p):\n    from helpers.lazy import {n}_inside\n\n    return {n}_inside(p) + {b}\n",
        },
    ),
    "a relative import": Kind(
        "{n}_relative(p)",
        lambda p, a, b: (p + a) * b,
        {
            "helpers/deep/numbers.py": "def {n}_number(p):\n    return p + {a}\n",
            "helpers/deep/__init__.py": "from .numbers import {n}_number\nfrom ..scale import {n}_scale\n",
            "helpers/scale.py": "def {n}_scale(p):\n    return p * {b}\n",
            STEPS: "from helpers.deep import {n}_number, {n}_scale\n\n\n"
            "def {n}_relative(p):\n    return {n}_scale({n}_number(p))\n",
        },
    ),
    "a namespace package": Kind(
        "{n}_spaced(p)",
        lambda p, a, b: p - a + b,
        {
            "spaces/inner/plain.py": "def {n}_spaced(p):\n    return p - {a} + {b}\n",
            STEPS: "from spaces.inner.plain import {n}_spaced\n",
        },
    ),
    "a cycle": Kind(
        "{n}_ping(p, 2)",
        lambda p, a, b: p + 2 * a + 2 * b,
        {
            "helpers/ping.py": "from helpers import pong\n\n\ndef {n}_ping(p, depth):\n"
            "    return pong.{n}_pong(p + {a}, depth)\n",
            "helpers/pong.py": "def {n}_pong(p, depth):\n    from helpers.ping import {n}_ping\n\n"
            "    return {n}_ping(p + {b}, depth - 1) if depth > 1 else p + {b}\n",
            STEPS: "from helpers.ping import {n}_ping\n",
        },
    ),
    "constants": Kind(
        "{n}_DERIVED + sum({n}_TUPLE) + len({n}_TEXT) + int({n}_FLOAT) + int(p)",
        lambda p, a, b: a * 2 + b + a + b + len(str(a)) + b + p,
        {
            "helpers/constants.py": "{n}_BASE = {a}\n{n}_TUPLE = ({a}, {b})\n{n}_TABLE = {{'x': {a}, 'y': [{b}]}}\n"
            "{n}_DERIVED = {n}_BASE * 2 + {n}_TABLE['y'][0]\n{n}_TEXT = '{a}'\n{n}_FLOAT = {b}.0\n",
            STEPS: "from helpers.constants import {n}_DERIVED, {n}_FLOAT, {n}_TEXT, {n}_TUPLE\n",
        },
    ),
    "default arguments": Kind(
        "{n}_default(p)",
        lambda p, a, b: p + a * b,
        {
            "helpers/defaults.py": "def {n}_default(p, k={a}, *, m={b}):\n    return p + k * m\n",
            STEPS: "from helpers.defaults import {n}_default\n",
        },
    ),
    "lambdas on one line": Kind(
        "{n}_one(p) + {n}_two(p)",
        lambda p, a, b: p + a + p * b,
        {STEPS: "{n}_one, {n}_two = (lambda p: p + {a}), (lambda p: p * {b})\n"},
    ),
    "a comprehension": Kind(
        "{n}_sum(p)",
        lambda p, a, b: p + sum(x * a for x in range(3)) + b,
        {STEPS: "def {n}_sum(p):\n    return p + sum(x * {a} for x in range(3)) + {b}\n"},
    ),
    "a file": Kind("int(pathlib.Path('{n}.offset').read_text())", lambda p, a, b: a, reads="file"),
    "a file that may be missing": Kind(
        "(int(open('{n}.maybe').read()) if os.path.exists('{n}.maybe') else 7)",
        lambda p, a, b: a if b % 2 else 7,
        reads="missing",
    ),
    "a listing": Kind("len(os.listdir('{n}_folder')) + p", lambda p, a, b: a % 4 + 1 + p, reads="listing"),
    "a variable": Kind("int(os.environ.get('{n}_VARIABLE', '5'))", lambda p, a, b: a if b % 2 else 5, reads="variable"),
    "a declared variable": Kind("int(os.environ['{n}_DECLARED'])", lambda p, a, b: a, reads="declared variable"),
    "a declared file": Kind("int(open('{n}.declared').read())", lambda p, a, b: a, reads="declared file"),
}

READING = [name for name, kind in KINDS.items() if kind.reads]
CODE = [name for name, kind in KINDS.items() if not kind.reads]


@dataclass
class Feature:
    """One use of a way, shared by the steps that name it."""

    name: str
    kind: str
    a: int
    b: int

    @property
    def call(self) -> str:
        return KINDS[self.kind].call.format(n=self.name)

    def value(self, p: int) -> int:
        return KINDS[self.kind].value(p, self.a, self.b)

    @property
    def pieces(self) -> dict[str, str]:
        return {
            module: text.format(n=self.name, a=self.a, b=self.b) for module, text in KINDS[self.kind].pieces.items()
        }

    @property
    def state(self) -> tuple[object, ...]:
        """What of it a step's result depends on."""
        reads = KINDS[self.kind].reads
        if reads == "listing":
            return (self.name, self.a % 4)
        if reads in ("missing", "variable"):
            return (self.name, self.a if self.b % 2 else None)
        return (self.name, self.a) if reads else (self.name, self.a, self.b)

    @property
    def files(self) -> dict[str, str]:
        """The files that it reads: path → content."""
        reads = KINDS[self.kind].reads
        if reads == "file":
            return {f"{self.name}.offset": str(self.a)}
        if reads == "missing" and self.b % 2:
            return {f"{self.name}.maybe": str(self.a)}
        if reads == "listing":
            return {f"{self.name}_folder/{i}": "" for i in range(self.a % 4 + 1)}
        return {f"{self.name}.declared": str(self.a)} if reads == "declared file" else {}

    @property
    def variables(self) -> dict[str, str]:
        reads = KINDS[self.kind].reads
        if reads == "variable" and self.b % 2:
            return {f"{self.name}_VARIABLE": str(self.a)}
        return {f"{self.name}_DECLARED": str(self.a)} if reads == "declared variable" else {}

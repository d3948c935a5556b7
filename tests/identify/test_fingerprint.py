"""Which steps' fingerprints an edit moves, and which it must leave alone."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest
from child_processes import ChildProcesses

FILES = {
    "transforms.py": '''
        """Steps of the shop."""
        import functools
        from pathlib import Path

        import helpers
        import numpy as xp
        from decorators import rounded
        from helpers import add_one as first, add_two as second
        from math import floor as whole
        from numpy import log as scale
        from numpy import mean as reduce
        from helpers import *
        from models import Order
        from rates import TAX, with_tax
        from values import COLOUR, FIRST, LIMITS, SAME, SECOND, TABLE, Colour, Settings

        ROOT = Path(__file__).parent
        TEXT_ROOT = __file__
        UNUSED = 1
        HANDLERS = {"a": helpers.add_one, "b": helpers.add_two}
        LAMBDAS = {"up": lambda x: x + 1, "down": lambda x: x - 1}
        PART = functools.partial(helpers.scaled, by=3)


        def plain(frame):
            """Nothing but itself."""
            total = 0
            for value in [1, 2, 3]:
                total = total + value
            return total


        def unrelated(frame):
            return None


        def re_export(frame):
            return with_tax(frame)


        def star(frame):
            return starred(frame)


        def through_module(frame):
            return helpers.add_one(frame)


        @rounded
        def decorated(frame):
            return frame


        def uses_class(frame):
            return Order(frame).total()


        def default(frame, limit=LIMITS):
            return limit


        def make_closure(rate, rule):
            def inner(frame):
                return rule(frame) * rate

            return inner


        closure = make_closure(2, helpers.closed_over)
        twin = make_closure(2, helpers.closed_over)


        def both_closures(frame):
            return closure(frame), second_closure(frame)


        second_closure = make_closure(5, helpers.closed_over)


        def partial(frame):
            return PART(frame)


        def handlers(frame):
            return HANDLERS["a"](frame)


        def lambdas(frame):
            return LAMBDAS["up"](1)


        def lazy(frame):
            import lazily

            return lazily.work(frame)


        def lazy_from(frame):
            from shop.rules import apply_rules

            return apply_rules(frame)


        def lazy_submodule(frame):
            from shop import other

            return other.value(frame)


        def packaged(frame):
            from shop.lazy import relative

            return relative(frame)


        def constant(frame):
            return TAX


        def nested(frame):
            def inner(x):
                return [y + 7 for y in x]

            return inner(frame)


        def root(frame):
            return ROOT, TEXT_ROOT


        def enumerated(frame):
            return Colour.RED, COLOUR


        def settings(frame):
            return Settings()


        def table(frame):
            return TABLE[2]


        def same(frame):
            return SAME


        def local_class(frame):
            class Local:
                """Docstring of a local class."""

                limit = 3

            return Local.limit


        def keyword(frame):
            return helpers.scaled(frame, by=2)


        def method(frame):
            return FIRST.rate(), SECOND


        def membership(frame):
            return frame in {"x", "y", "z"}


        def computed(frame, name="sum"):
            return getattr(frame, name)()


        def constant_getattr(frame):
            return getattr(frame, "sum")()


        def dynamic_import(frame, name="dynamic"):
            import importlib

            return importlib.import_module(name).work(frame)


        def metadata(frame):
            import importlib.metadata

            return importlib.metadata.version("pandas")


        def loaded_modules(frame):
            import sys

            return sys.modules["helpers"].unused_by_others(frame)


        REDUCE = sum
        _MISSING = object()


        def aliases(frame):
            return first(frame) - second(frame)


        def library(frame):
            return reduce(frame)


        def library_module(frame):
            return xp.sum(frame)


        def standard(frame):
            return whole(frame)


        def ufunc(frame):
            return scale(frame)


        def value_function(frame, default=_MISSING):
            return REDUCE(frame)


        def recursion(frame):
            return helpers.even(frame)


        def cached(frame):
            return helpers.memoised(3)


        def global_options(frame):
            return helpers.PATTERN.match("x"), helpers.WHEN, helpers.LOGGER
        ''',
    "helpers.py": """
        import datetime
        import functools
        import logging
        import re

        LOGGER = logging.getLogger(__name__)
        PATTERN = re.compile("a+", re.I)
        WHEN = datetime.date(2013, 1, 1)


        def add_one(x):
            # a comment
            return x + 1


        def add_two(x):
            return x + 2


        def scaled(x, by, offset=0):
            return x * by


        def starred(x):
            return _private(x)


        def _private(x):
            return x - 1


        def closed_over(x):
            return x


        def even(n):
            return n == 0 or odd(n - 1)


        def odd(n):
            return n != 0 and even(n - 1)


        def unused_by_others(x):
            return x + 9


        @functools.lru_cache
        def memoised(x):
            return x + 40
        """,
    "rates.py": """
        from tax import with_tax

        TAX = 19
        """,
    "tax.py": """
        import rates


        def with_tax(x):
            return x * (1 + rates.TAX / 100)
        """,
    "decorators.py": """
        import functools


        def rounded(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return round(function(*args, **kwargs), 2)

            return wrapper
        """,
    "base.py": """
        class Meta(type):
            def __call__(cls, *args):
                return super().__call__(*args)


        class Base(metaclass=Meta):
            def total(self):
                return self.price() * 1

            def price(self):
                return 10
        """,
    "models.py": '''
        from base import Base


        class Order(Base):
            """One order."""

            currency = "EUR"

            def __init__(self, frame):
                self.frame = frame

            @property
            def net(self):
                return 1

            @staticmethod
            def gross():
                return 2

            @classmethod
            def empty(cls):
                return cls(None)

            def __hash__(self):
                return 3
        ''',
    "values.py": """
        import dataclasses
        import enum

        LIMITS = [1, {"a": (2, 3)}]


        class Colour(enum.Enum):
            RED = 1
            GREEN = 2


        COLOUR = Colour.GREEN


        @dataclasses.dataclass
        class Settings:
            rate: float = 1.5
            names: list = dataclasses.field(default_factory=list)


        class Rule:
            def __init__(self, factor):
                self.factor = factor

            def rate(self):
                return self.factor * 2


        FIRST = Rule(1)
        SECOND = Rule(2)
        LOW = {"rate": 1}
        HIGH = {"rate": 2}
        TABLE = [LOW, HIGH, LOW]
        SAME = {"one": FIRST, "two": SECOND}
        """,
    "dynamic.py": """
        def work(x):
            return x + 8
        """,
    "lazily.py": """
        def work(x):
            return x + 3
        """,
    "shop/__init__.py": "",
    "shop/lazy.py": """
        def relative(x):
            from . import deep
            from .rules import apply_rules

            return deep.down(apply_rules(x))
        """,
    "shop/deep.py": """
        def down(x):
            return x + 4
        """,
    "shop/rules.py": """
        def apply_rules(x):
            return x + 5
        """,
    "shop/other.py": """
        def value(x):
            return x + 6
        """,
}

STEPS = [
    "plain", "re_export", "star", "through_module", "decorated", "uses_class", "default", "closure", "both_closures",
    "partial", "handlers", "lambdas", "lazy", "lazy_from", "lazy_submodule", "packaged", "constant", "nested", "root",
    "enumerated", "settings", "table", "same", "local_class", "keyword", "method", "membership", "computed",
    "constant_getattr", "dynamic_import", "recursion", "cached", "global_options", "aliases", "library",
    "library_module", "standard", "ufunc", "value_function", "metadata", "loaded_modules",
]  # fmt: skip
WHOLE = {"computed", "dynamic_import", "loaded_modules"}  # they count every loaded module whole


def write_project(root: Path) -> None:
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))


def edit(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text()
    assert old in text, f"{old!r} is not in {file}"
    (root / file).write_text(text.replace(old, new, 1))


def fingerprints(root: Path, steps: list[str]) -> Any:
    """Step → [digest of its code, names of what it reaches, obstacles, what the files' imports loaded]."""
    import importlib

    from odibi_assets.identify import source_loader
    from odibi_assets.identify.fingerprint import fingerprint
    from odibi_assets.identify.key import Key

    source_loader.install()
    source_loader.put_on_path(root)
    module = importlib.import_module("transforms")
    found = {}
    for step in steps:
        one = fingerprint(getattr(module, step), root, extra_modules=[module])
        obstacles = [[obstacle.kind, obstacle.text, obstacle.place] for obstacle in one.obstacles]
        found[step] = [str(Key("x", code=one.items).digest()), sorted(one.items), obstacles]
    return found


def changed(children: ChildProcesses, before: Any, root: Path) -> set[str]:
    after = children.run(fingerprints, root, STEPS)
    return {step for step in STEPS if before[step][0] != after[step][0]}


@pytest.fixture(scope="module")
def pristine(children: ChildProcesses, tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("pristine") / "shop"
    root.mkdir()
    write_project(root)
    return children.run(fingerprints, root, STEPS)


# file, old text, new text, steps that change besides those that count modules whole
EDITS: dict[str, tuple[str, str, str, set[str]]] = {
    "a step's own body": ("transforms.py", "[1, 2, 3]", "[1, 2, 4]", {"plain"}),
    "an operator": ("transforms.py", "total + value", "total - value", {"plain"}),
    "a nested function": ("transforms.py", "y + 7", "y + 8", {"nested"}),
    "an unrelated function of the same module": ("transforms.py", "return None", "return 1", set()),
    "an unused module value": ("transforms.py", "UNUSED = 1", "UNUSED = 2", set()),
    "a helper behind a re-export": ("tax.py", "x * (1", "x / (1", {"re_export"}),
    "a module value": ("rates.py", "19", "20", {"re_export", "constant"}),
    "a re-export led elsewhere": (
        "rates.py",
        "from tax import with_tax",
        "from helpers import add_two as with_tax",
        {"re_export"},
    ),
    "a helper behind a star import": ("helpers.py", "x - 1", "x - 2", {"star"}),
    "a helper through its module": ("helpers.py", "x + 1", "x + 11", {"through_module", "handlers", "aliases"}),
    "a decorator": ("decorators.py", "2)", "3)", {"decorated"}),
    "what is decorated": ("transforms.py", "return frame\n\n\ndef uses", "return -frame\n\n\ndef uses", {"decorated"}),
    "a decorator removed": ("transforms.py", "@rounded\n", "", {"decorated"}),
    "a class's base in another module": ("base.py", "return 10", "return 11", {"uses_class"}),
    "a metaclass": ("base.py", "__call__(*args)", "__call__(*args[:9])", {"uses_class"}),
    "a class attribute": ("models.py", '"EUR"', '"USD"', {"uses_class"}),
    "a property": ("models.py", "return 1", "return 11", {"uses_class"}),
    "a static method": ("models.py", "return 2", "return 22", {"uses_class"}),
    "a class method": ("models.py", "cls(None)", "cls(1)", {"uses_class"}),
    "a class's hash": ("models.py", "return 3", "return 33", {"uses_class"}),
    "another base": ("models.py", "Order(Base)", "Order(Base, dict)", {"uses_class"}),
    "a default argument": ("values.py", "(2, 3)", "(2, 4)", {"default"}),
    "a value in a closure": (
        "transforms.py",
        "closure = make_closure(2,",
        "closure = make_closure(3,",
        {"closure", "both_closures"},
    ),
    "a value in the second closure of a factory": (
        "transforms.py",
        "make_closure(5,",
        "make_closure(6,",
        {"both_closures"},
    ),
    "a function in a closure": ("helpers.py", "    return x\n", "    return -x\n", {"closure", "both_closures"}),
    "an argument of a partial": ("transforms.py", "by=3)", "by=4)", {"partial"}),
    "the function of a partial": ("helpers.py", "x * by", "x / by", {"partial", "keyword"}),
    "a function in a dict of handlers": ("helpers.py", "x + 2", "x + 22", {"handlers", "aliases"}),
    "handlers exchanged": (
        "transforms.py",
        '"a": helpers.add_one, "b": helpers.add_two',
        '"a": helpers.add_two, "b": helpers.add_one',
        {"handlers"},
    ),
    "the first of two lambdas on a line": ("transforms.py", "lambda x: x + 1", "lambda x: x + 2", {"lambdas"}),
    "the second of two lambdas on a line": ("transforms.py", "lambda x: x - 1", "lambda x: x - 2", {"lambdas"}),
    "lambdas exchanged": (
        "transforms.py",
        '"up": lambda x: x + 1, "down": lambda x: x - 1',
        '"up": lambda x: x - 1, "down": lambda x: x + 1',
        {"lambdas"},
    ),
    "a module imported inside a function": ("lazily.py", "x + 3", "x + 33", {"lazy"}),
    "a function imported inside a function": ("shop/rules.py", "x + 5", "x + 55", {"lazy_from", "packaged"}),
    "a submodule imported inside a function": ("shop/other.py", "x + 6", "x + 66", {"lazy_submodule"}),
    "a submodule imported relatively inside a function": ("shop/deep.py", "x + 4", "x + 44", {"packaged"}),
    "an enum's value": ("values.py", "RED = 1", "RED = 7", {"enumerated"}),
    "which member of an enum": ("values.py", "COLOUR = Colour.GREEN", "COLOUR = Colour.RED", {"enumerated"}),
    "a dataclass's default": ("values.py", "1.5", "1.6", {"settings"}),
    "a dataclass's default factory": ("values.py", "default_factory=list", "default_factory=dict", {"settings"}),
    "a dataclass's decorator": (
        "values.py",
        "@dataclasses.dataclass\n",
        "@dataclasses.dataclass(frozen=True)\n",
        {"settings"},
    ),
    "which of two values a list repeats": ("values.py", "[LOW, HIGH, LOW]", "[LOW, HIGH, HIGH]", {"table"}),
    "the state of an instance": ("values.py", "Rule(2)", "Rule(3)", {"method", "same"}),
    "a method of an instance's class": ("values.py", "self.factor * 2", "self.factor * 3", {"method", "same"}),
    "instances exchanged": ("values.py", '"one": FIRST, "two": SECOND', '"one": SECOND, "two": FIRST', {"same"}),
    "a class inside a function": ("transforms.py", "limit = 3", "limit = 4", {"local_class"}),
    "the name of a keyword": (
        "transforms.py",
        "helpers.scaled(frame, by=2)",
        "helpers.scaled(frame, offset=2)",
        {"keyword"},
    ),
    "a constant of a set": ("transforms.py", '"y", "z"}', '"y", "w"}', {"membership"}),
    "one of two functions that call each other": ("helpers.py", "n != 0", "n > 0", {"recursion"}),
    "a function behind a cache": ("helpers.py", "x + 40", "x + 41", {"cached"}),
    "a pattern": ("helpers.py", '"a+"', '"b+"', {"global_options"}),
    "a pattern's flags": ("helpers.py", ", re.I)", ")", {"global_options"}),
    "a second name of a function led elsewhere": (
        "transforms.py",
        "add_one as first, add_two as second",
        "add_two as first, add_one as second",
        {"aliases"},
    ),
    "a name led to another function of a library": (
        "transforms.py",
        "from numpy import mean as reduce",
        "from numpy import median as reduce",
        {"library"},
    ),
    "a name led to another module of a library": (
        "transforms.py",
        "import numpy as xp",
        "import numpy.ma as xp",
        {"library_module"},
    ),
    "a name led to another function of the standard library": (
        "transforms.py",
        "from math import floor as whole",
        "from math import ceil as whole",
        {"standard"},
    ),
    "a name led to another ufunc": (
        "transforms.py",
        "from numpy import log as scale",
        "from numpy import exp as scale",
        {"ufunc"},
    ),
    "a module value led to another function": ("transforms.py", "REDUCE = sum", "REDUCE = max", {"value_function"}),
    "a module loaded by name": ("dynamic.py", "x + 8", "x + 88", set()),
    "a date": ("helpers.py", "2013, 1, 1", "2013, 1, 2", {"global_options"}),
}


@pytest.mark.parametrize("case", EDITS, ids=list(EDITS))
def test_an_edit_changes_the_steps_that_reach_it_and_no_other(
    case: str, children: ChildProcesses, pristine: Any, root: Path
) -> None:
    file, old, new, expected = EDITS[case]
    write_project(root)
    edit(root, file, old, new)
    assert changed(children, pristine, root) - WHOLE == expected


NO_EDITS = {
    "a comment": ("helpers.py", "# a comment", "# another comment"),
    "a comment that moves every line": ("transforms.py", "import functools", "# one\n# two\n\nimport functools"),
    "a function's docstring": ("transforms.py", '"""Nothing but itself."""', '"""Nothing at all."""'),
    "a module's docstring": ("transforms.py", '"""Steps of the shop."""', '"""The steps."""'),
    "a class's docstring": ("models.py", '"""One order."""', '"""An order."""'),
    "a local class's docstring": ("transforms.py", '"""Docstring of a local class."""', '"""Another."""'),
    "a docstring added": ("helpers.py", "def add_two(x):\n", 'def add_two(x):\n    """Add two."""\n'),
    "formatting": (
        "transforms.py",
        "for value in [1, 2, 3]:",
        "for value in [\n        1,\n        2,\n        3,\n    ]:",
    ),
    "brackets": ("helpers.py", "return x + 2", "return (x + 2)"),
    "quotes": ("models.py", '"EUR"', "'EUR'"),
    "blank lines between": ("helpers.py", "def add_two", "\n\n\ndef add_two"),
    "the order of functions": ("helpers.py", "def add_two(x):\n    return x + 2\n\n\n", ""),
}


@pytest.mark.parametrize("case", NO_EDITS, ids=list(NO_EDITS))
def test_how_it_is_written_changes_nothing(case: str, children: ChildProcesses, pristine: Any, root: Path) -> None:
    file, old, new = NO_EDITS[case]
    write_project(root)
    edit(root, file, old, new)
    if case == "the order of functions":
        with (root / file).open("a") as stream:
            stream.write("\n\ndef add_two(x):\n    return x + 2\n")
    assert changed(children, pristine, root) - (WHOLE if case == "the order of functions" else set()) == set()


def test_a_moved_project_keeps_every_fingerprint(children: ChildProcesses, pristine: Any, root: Path) -> None:
    write_project(root)
    moved = shutil.move(root, root.parent / "elsewhere")
    assert changed(children, pristine, Path(moved)) == set()


def test_another_file_name_below_the_root_counts(children: ChildProcesses, pristine: Any, root: Path) -> None:
    write_project(root)
    edit(root, "transforms.py", "Path(__file__).parent", "Path(__file__).parent / 'x'")
    assert changed(children, pristine, root) - WHOLE == {"root"}


@pytest.mark.parametrize(
    ("file", "old", "new", "whole"),
    [
        ("helpers.py", "x + 9", "x + 99", WHOLE),
        ("tax.py", "/ 100", "/ 1000", WHOLE),
        ("transforms.py", "return None", "return 1", WHOLE),
        ("dynamic.py", "x + 8", "x + 88", {"dynamic_import"}),
        ("helpers.py", "# a comment", "# another", set()),
    ],
)
def test_a_step_that_computes_names_counts_whole_modules(
    children: ChildProcesses, pristine: Any, root: Path, file: str, old: str, new: str, whole: set[str]
) -> None:
    write_project(root)
    edit(root, file, old, new)
    assert changed(children, pristine, root) & WHOLE == whole


def test_fingerprints_do_not_depend_on_the_hash_seed(root: Path) -> None:
    import json
    import subprocess
    import sys

    write_project(root)
    code = (
        "import json, pathlib, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_fingerprint import STEPS, fingerprints\n"
        "print(json.dumps(fingerprints(pathlib.Path(sys.argv[2]), STEPS)))\n"
    )
    answers = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent), str(root)],
            env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        answers.append(json.loads(done.stdout))
    assert answers[0] == answers[1]


def test_none_of_these_steps_has_an_obstacle(pristine: Any) -> None:
    assert {step: found[2] for step, found in pristine.items() if found[2]} == {}

"""What a walk has reached so far, and how it names, encodes and places what it finds."""

from __future__ import annotations

import contextlib
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from odibi_assets.errors import NotFingerprintable
from odibi_assets.identify import distribution
from odibi_assets.identify.attribute import real_attribute, text_attribute
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party_module
from odibi_assets.identify.effects import binding_line
from odibi_assets.identify.item import Item, Obstacle

if TYPE_CHECKING:
    from odibi_assets.identify.fingerprint import Fingerprint

SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray, range, type(...)})


class Walk:
    """One walk.

    Attributes:
        result: What it gathers.
        adder_of: Which function adds what an object brings with it.
        seen: Identity of each object reached → the object, kept alive, and its name.
        values: Names of the values that are items of their own.
        named: Identities of functions and classes that the code names, and so is judged by how it calls them.
        whole_modules: Code reached computes names, so all that its modules hold counts.
        tells: What the code asks of functions and classes beside what they do: ``documentation``, ``text``, …
    """

    def __init__(self, root: Path, result: Fingerprint, adder_of: Callable[[Any], Adder]) -> None:
        self.root = root
        self.result = result
        self.adder_of = adder_of
        self.seen: dict[int, tuple[Any, str]] = {}
        self.values: set[str] = set()
        self.named: set[int] = set()
        self.whole_modules = False
        self.tells: set[str] = set()
        self._names: set[str] = set()

    def add(self, name: str, value: Any, place: str | None = None) -> object:
        """Add what a value brings with it; returns an encodable stand-in for the value."""
        if type(value) is str and (value == str(self.root) or value.startswith(f"{self.root}{os.sep}")):
            return ("path text", value[len(str(self.root)) :])
        if type(value) in SCALARS:
            return value
        if isinstance(value, PurePath):
            return ("path", self.relative(str(value)))
        if id(value) in self.seen:
            return ("again", self.seen[id(value)][1])
        self.seen[id(value)] = (value, self._unique_name(self.name_of(value, name)))
        return self.adder_of(value)(self, name, value, place)

    def _unique_name(self, name: str) -> str:
        """A name of its own for each object: lambdas, and functions made by one factory, share theirs."""
        number, unique = 1, name
        while unique in self._names:
            number += 1
            unique = f"{name} #{number}"
        self._names.add(unique)
        return unique

    def add_distribution(self, module: str | None, name: str) -> None:
        """Add the version of the distribution that a module belongs to."""
        if not module or module.partition(".")[0] == "odibi_assets":
            return  # it counts by the number of its key schema
        owner = distribution.owner_of_module(module)
        if owner is None:
            return  # the standard library counts by Python's version
        for pinned in distribution.identity(owner):
            package, _, version = pinned.partition("==")
            self.result.items[f"distribution {package}"] = Item(
                Digest.of_struct("distribution", pinned), "distribution", shown=version.partition("@")[0]
            )

    def note_module(self, name: str) -> None:
        """Add a module if it is the user's own."""
        module = sys.modules.get(name)
        if module is None or not is_first_party_module(module):
            return
        self.result.modules.setdefault(name, module)
        path = getattr(module, "__file__", None)
        if path and not path.endswith(".py"):  # compiled: what it does stands in its bytes alone
            with contextlib.suppress(OSError):
                self.result.items[f"{name} (file)"] = Item(Digest.of_file(path), "module", place=self.relative(path))

    def obstruct(self, kind: str, text: str, place: str | None) -> None:
        """Note what makes the result non-reusable, once."""
        obstacle = Obstacle(kind, text, place)
        if obstacle not in self.result.obstacles:
            self.result.obstacles.append(obstacle)

    def encoded(self, name: str, value: object, place: str | None = None) -> Digest:
        """The digest of a stand-in; what has none makes the result non-reusable."""
        try:
            return Digest.of_struct("part", value)
        except NotFingerprintable as error:
            self.obstruct("value", f"{name}: {error}", place)
            return Digest.of_struct("opaque", name)

    def name_of(self, value: Any, name: str) -> str:
        """Module and qualified name of what has them; else the name given."""
        code = real_attribute(value, "__code__")
        qualname = text_attribute(code, "co_qualname") or text_attribute(value, "__qualname__")
        module = text_attribute(value, "__module__")
        return f"{label(module)}.{qualname}" if module is not None and qualname is not None else name

    def relative(self, path: str) -> str:
        """A path relative to the project root where it lies below it."""
        absolute = os.path.abspath(path) if os.path.isabs(path) else path
        root = str(self.root) + os.sep
        return absolute[len(root) :] if absolute.startswith(root) else ("." if absolute == str(self.root) else absolute)

    def place(self, file: str, line: int) -> str:
        """``file:line``, as reasons show it."""
        return f"{self.relative(file)}:{line}"

    def assignment(self, module: types.ModuleType | None, name: str) -> str | None:
        """Where a module binds a name."""
        line = binding_line(module, name) if module is not None else None
        return self.place(module.__file__ or "", line) if module is not None and line else None


def label(module: str) -> str:
    """A module's name; a script has the one under which it would be imported."""
    file = getattr(sys.modules.get(module), "__file__", None) if module == "__main__" else None
    return Path(file).stem if file else module


def is_first_party_code(code: types.CodeType) -> bool:
    """Is code the user's own? What has no file, made by ``exec`` or in a shell, is."""
    file = code.co_filename
    return True if file.startswith("<") and not file.startswith("<frozen") else distribution.is_first_party(file)


def annotations_of(value: Any) -> dict[str, str]:
    """The annotations of a function, or of a class's own attributes, as text."""
    found = vars(value).get("__annotations__", {}) if isinstance(value, type) else value.__annotations__
    return {key: str(annotation) for key, annotation in found.items()}


Adder = Callable[[Walk, str, Any, "str | None"], object]

"""Classes, whole: their bases, metaclass, members, and what a library makes of them."""

from __future__ import annotations

import sys
import types

from odibi_assets.identify import distribution
from odibi_assets.identify.attribute import text_attribute
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.distribution import is_first_party_module
from odibi_assets.identify.effects import ClassSource, class_source
from odibi_assets.identify.item import Item
from odibi_assets.identify.walk.names import add_named
from odibi_assets.identify.walk.walk import Walk, annotations_of


def add_class(walk: Walk, name: str, cls: type, place: str | None) -> object:
    """Add a class; of a library's, the version of its distribution."""
    full = walk.seen[id(cls)][1]
    module = sys.modules.get(cls.__module__)
    if cls.__module__ == "types" and getattr(types, cls.__qualname__, None) is not cls:
        module = None  # made by ``make_dataclass`` or ``new_class``, for whoever called it
    elif module is None or not is_first_party_module(module):
        walk.add_distribution(cls.__module__, full)
        return ("class", full)
    walk.result.names.add((cls.__module__, cls.__qualname__.partition(".")[0]))
    where = (walk.assignment(module, cls.__name__) if module is not None else None) or place
    if module is not None:
        walk.result.values[full] = (cls.__module__, cls.__qualname__)
    walk.note_module(cls.__module__)
    bases = [walk.add(f"{full} base", base, where) for base in cls.__bases__]
    meta = walk.add(f"{full} metaclass", type(cls), where)
    written = class_source(module, cls.__qualname__) if module is not None else None
    by_library = module is not None and written is not None and _is_made_by_library(cls, module, written)
    members = []
    for key, value in sorted(vars(cls).items()):
        # What a library's metaclass or decorator adds follows from the class as it is written, and its version.
        if key not in CLASS_NOISE and not (by_library and written is not None and key not in written.members):
            members.append((key, walk.add(f"{full}.{key}", value, where)))
    for key, one in vars(cls).get("__dataclass_fields__", {}).items():
        if one.metadata:  # what a field says beside what the methods do
            members.append((f"{key} metadata", walk.add(f"{full}.{key} metadata", dict(one.metadata), where)))
    shape: list[object] = [bases, meta, members, annotations_of(cls), _order(cls)]
    if by_library and module is not None and written is not None:
        shape.append(written.digest)
        for reference in written.names:
            if reference in vars(module):
                add_named(walk, reference, vars(module)[reference], None, vars(module), where or "")
    walk.result.items[full] = Item(Digest.of_struct("class", walk.encoded(full, shape, where)), "class", place=where)
    return ("class", full)


def _is_made_by_library(cls: type, module: types.ModuleType, written: ClassSource) -> bool:
    makers = [type(cls), *(vars(module).get(name) for name in written.decorators)]
    names = [text_attribute(maker, "__module__", "__name__") for maker in makers if maker is not None]
    return any(distribution.owner_of_module(name) is not None for name in names if name)


CLASS_NOISE = frozenset(
    """__doc__ __dict__ __weakref__ __module__ __annotations__ __firstlineno__ __static_attributes__ __qualname__
    __dataclass_fields__ __dataclass_params__ __abstractmethods__ _abc_impl __orig_bases__
    __parameters__ _member_map_ _value2member_map_ _member_type_ __slots__""".split()
)


def _order(cls: type) -> list[str]:
    """Names of a class's plain values in the order in which they are written, which an iteration gives."""
    behaviour = (types.FunctionType, property, classmethod, staticmethod, types.MemberDescriptorType)
    return [name for name, value in vars(cls).items() if not name.startswith("__") and not isinstance(value, behaviour)]

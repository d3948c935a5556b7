"""What a code object does, apart from how it was written, and what it refers to.

Bytecode is compared, not text: comments, formatting, docstrings and line numbers leave no trace in
the instructions, and what is identified is the very object that runs (truth.md 1.1 to 1.3).
Bytecode depends on Python's minor version, which is part of every key anyway.
"""

from __future__ import annotations

import dis
import itertools
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from odibi_assets.identify.digest import Digest
from odibi_assets.identify.set_order import order_of_a_set

_SKIPPED = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "RESUME", "PRECALL"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLASSDEREF"})
_LOCALS = frozenset({"LOAD_FAST", "LOAD_DEREF", "LOAD_FAST_CHECK", "LOAD_CLOSURE"})


def code_digest(code: types.CodeType) -> Digest:
    """Digest of everything in a code object that can change what it does."""
    return Digest.of_struct("code", _structure(code))


def _structure(code: types.CodeType) -> list[object]:
    bytecode = dis.Bytecode(code)
    kept = [i for i in bytecode if i.opname not in _SKIPPED]
    kept = _without_docstring(kept)
    index_at: dict[int, int] = {}
    position = 0
    offsets = {instruction.offset: i for i, instruction in enumerate(kept)}
    for instruction in dis.Bytecode(code):
        index_at[instruction.offset] = position = offsets.get(instruction.offset, position)
    instructions: list[object] = []
    for instruction in kept:
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            argument: object = index_at.get(instruction.argval, -1)
        elif instruction.opname == "KW_NAMES":
            argument = code.co_consts[instruction.arg or 0]
        else:
            argument = _constant(instruction.argval)
        instructions.append((instruction.opname, argument))
    handlers = [
        (*(index_at.get(offset, -1) for offset in (entry.start, entry.end, entry.target)), entry.depth, entry.lasti)
        for entry in getattr(bytecode, "exception_entries", ())
    ]
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return [shape, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], instructions, handlers]


def _without_docstring(instructions: list[dis.Instruction]) -> list[dis.Instruction]:
    """Drop ``__doc__ = '…'`` from the body of a class that is defined inside a function."""
    stores = [
        i
        for i, instruction in enumerate(instructions)
        if instruction.argval == "__doc__" and instruction.opname == "STORE_NAME"
    ]
    dropped = {j for i in stores for j in (i - 1, i)}
    return [instruction for i, instruction in enumerate(instructions) if i not in dropped]


def _constant(value: Any) -> object:
    if isinstance(value, types.CodeType):
        return _structure(value)
    if isinstance(value, (tuple, frozenset)):
        return type(value)(_hashable(_constant(item)) for item in value)
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)) or value is ...:
        return value
    return repr(value)


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Reference:
    """A name outside a function that its code uses.

    Attributes:
        name: The global's name, or the dotted module for an import inside the function.
        attributes: What is taken from it, one after the other: ``rules.tax.rate`` → (tax, rate).
        line: Where, in the code's own file.
        imported: The name is a module imported inside the function.
        level: Dots of a relative import.
        arguments: 0 when it is called at once without any argument, or with None alone; None when that is not so.
        whole: The thing itself is handed on, not just attributes of it.
        constant: What stands right behind it in the code, where that is a text: its first argument, if it is called.
    """

    name: str
    attributes: tuple[str, ...]
    line: int
    imported: bool = False
    level: int = 0
    arguments: int | None = None
    whole: bool = True
    constant: str | None = None


@dataclass
class Usage:
    """What a code object, and the code nested in it, uses.

    Attributes:
        references: Globals and modules, in the order of their use.
        free_attributes: Attribute or method names taken from anything → first line.
        free_methods: Method names called on something that is no global → first line.
        keywords: Names of keyword arguments in any call.
        set_order: A line that takes the order of a set, if there is one.
        takes_attributes: It takes attributes by names that are texts, be they computed or not.
        computes_names: A line on which a name is computed at run time, if there is one.
        computes_imports: The same for a module's name, which may be one that nothing loaded yet.
        named_in_texts: Words of the texts handed to what looks names up in its caller: ``frame.query("x > @LIMIT")``.
        tells: What it asks of functions beside what they do: ``told`` (documentation, annotations), ``text``.
    """

    references: list[Reference] = field(default_factory=list)
    free_attributes: dict[str, int] = field(default_factory=dict)
    free_methods: dict[str, int] = field(default_factory=dict)
    keywords: set[str] = field(default_factory=set)
    set_order: int | None = None
    takes_attributes: bool = False
    computes_names: int | None = None
    computes_imports: int | None = None
    named_in_texts: set[str] = field(default_factory=set)
    tells: set[str] = field(default_factory=set)


_WORD = re.compile(r"[^\W\d]\w*")
_TAKES_TEXT = frozenset({"query", "eval", "evaluate", "sql", "execute", "from_query"})
_LEADS_ANYWHERE = frozenset({"__subclasses__", "__globals__", "f_globals", "f_locals"})
_TELLING = {
    **dict.fromkeys(("__doc__", "getdoc", "__annotations__", "get_annotations", "get_type_hints"), "told"),
    **dict.fromkeys(("signature", "getfullargspec"), "told"),
    **dict.fromkeys(("getsource", "getsourcelines", "findsource", "getcomments"), "text"),
}
_COMPUTING = frozenset({"exec", "eval", "globals", "locals", "vars", "compile", "__import__"})
_TAKING = frozenset({"getattr", "vars", "attrgetter", "methodcaller", "__getattribute__", "__dict__"})
_IMPORTING = frozenset({"exec", "eval", "compile", "__import__"})


def usage(code: types.CodeType) -> Usage:
    """Everything outside itself that a function's code names."""
    found = Usage()
    _collect(code, {}, found)
    if _TAKES_TEXT & found.free_attributes.keys():
        for text in _texts(code):
            found.named_in_texts.update(_WORD.findall(text))
    named = {*found.free_attributes, *(reference.name for reference in found.references)}
    named |= {attribute for reference in found.references for attribute in reference.attributes}
    found.tells = {_TELLING[name] for name in named & _TELLING.keys()}
    return found


def _texts(code: types.CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, types.CodeType):
            yield from _texts(constant)


@dataclass(frozen=True)
class _Alias:
    module: str
    level: int
    attributes: tuple[str, ...] = ()


def _collect(code: types.CodeType, outer: Mapping[str, _Alias], found: Usage) -> None:
    instructions = [i for i in dis.get_instructions(code) if i.opname not in ("CACHE", "EXTENDED_ARG")]
    aliases: dict[str, _Alias] = dict(outer)
    line = code.co_firstlineno
    _note_computed_texts(instructions, line, found)
    found.set_order = found.set_order or order_of_a_set(code)
    i = 0
    while i < len(instructions):
        instruction = instructions[i]
        line = instruction.starts_line or line
        name = instruction.argval
        if instruction.opname == "IMPORT_NAME":
            i = _import(instructions, i, line, aliases, found)
            continue
        if instruction.opname in _GLOBALS:
            attributes, after = _attributes(instructions, i)
            arguments = _call_arguments(instructions, i, after)
            constant = _constant_after(instructions, after)
            found.references.append(Reference(name, attributes, line, arguments=arguments, constant=constant))
            _note_attributes(attributes, line, found)
            found.takes_attributes |= not _TAKING.isdisjoint((name, *attributes))
            if name in _COMPUTING or (name in ("getattr", "setattr") and not _constant_name(instructions, after)):
                found.computes_names = found.computes_names or line
            _note_computed(name, attributes, line, found)
            i = after
            continue
        if instruction.opname in _LOCALS and name in aliases:
            alias = aliases[name]
            attributes, after = _attributes(instructions, i)
            _note_computed(alias.module, alias.attributes + attributes, line, found)
            if instruction.opname != "LOAD_CLOSURE":
                arguments = _call_arguments(instructions, i, after)
                constant = _constant_after(instructions, after)
                path = alias.attributes + attributes
                found.references.append(
                    Reference(alias.module, path, line, True, alias.level, arguments, constant=constant)
                )
            i = after
            continue
        if instruction.opname in _ATTRIBUTES:
            found.free_attributes.setdefault(name, line)
            if instruction.opname == "LOAD_METHOD":
                found.free_methods.setdefault(name, line)
        elif instruction.opname == "KW_NAMES":
            found.keywords.update(code.co_consts[instruction.arg or 0])
        i += 1
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _collect(constant, aliases, found)


def _note_computed_texts(instructions: list[dis.Instruction], line: int, found: Usage) -> None:
    """A text that is no constant may name anything, as may what leads to every subclass or namespace."""
    for instruction, following in itertools.pairwise(instructions):
        line = instruction.starts_line or line
        if instruction.opname in _ATTRIBUTES and (
            instruction.argval in _LEADS_ANYWHERE
            or (instruction.argval in _TAKES_TEXT and following.opname != "LOAD_CONST")
        ):
            found.computes_names = found.computes_names or line


def _note_computed(name: str, attributes: tuple[str, ...], line: int, found: Usage) -> None:
    """``importlib`` and ``sys.modules`` lead anywhere; reading metadata or resources imports nothing."""
    path = (*name.split("."), *attributes)
    if path[:2] == ("sys", "modules"):
        found.computes_names = found.computes_names or line
    dynamic = path[0] == "importlib" and path[1:2] not in ((), ("metadata",), ("resources",))
    if dynamic or "import_module" in path or name in _IMPORTING:
        found.computes_names = found.computes_names or line
        found.computes_imports = found.computes_imports or line


def _note_attributes(attributes: tuple[str, ...], line: int, found: Usage) -> None:
    for attribute in attributes:
        found.free_attributes.setdefault(attribute, line)


def _attributes(instructions: list[dis.Instruction], i: int) -> tuple[tuple[str, ...], int]:
    """The attributes taken one after the other from what instruction ``i`` loads."""
    names = []
    i += 1
    while i < len(instructions) and instructions[i].opname in _ATTRIBUTES:
        names.append(instructions[i].argval)
        i += 1
    return tuple(names), i


def _call_arguments(instructions: list[dis.Instruction], start: int, after: int) -> int | None:
    """0 when the thing is called at once without any argument or with None alone; None when that can't be told."""
    following = [(i.opname, i.arg) for i in instructions[after : after + 2]]
    is_none = bool(following) and following[0][0] == "LOAD_CONST" and instructions[after].argval is None
    if is_none:
        return 0 if following[1:] in ([("PRECALL", 1)], [("CALL", 1)]) else None
    return 0 if following[:1] in ([("PRECALL", 0)], [("CALL", 0)]) else None


def _constant_after(instructions: list[dis.Instruction], after: int) -> str | None:
    following = instructions[after] if after < len(instructions) else None
    is_text = following is not None and following.opname == "LOAD_CONST" and isinstance(following.argval, str)
    return following.argval if is_text and following is not None else None


def _constant_name(instructions: list[dis.Instruction], after: int) -> bool:
    """Is the second argument of this ``getattr`` call a text in the code?"""
    for j in range(after, min(after + 12, len(instructions))):
        if instructions[j].opname in ("PRECALL", "CALL"):
            count = instructions[j].arg or 0
            candidates = instructions[max(after, j - 3) : j]
            constants = [c for c in candidates if c.opname == "LOAD_CONST" and isinstance(c.argval, str)]
            simple = all(c.opname.startswith("LOAD_") for c in instructions[after:j])
            return simple and count in (2, 3) and bool(constants) and instructions[after + 1 : j] != []
    return False


def _import(instructions: list[dis.Instruction], i: int, line: int, aliases: dict[str, _Alias], found: Usage) -> int:
    module = instructions[i].argval
    level = instructions[i - 2].argval if i >= 2 and isinstance(instructions[i - 2].argval, int) else 0
    names = instructions[i - 1].argval
    i += 1
    if not names:
        return _plain_import(instructions, i, line, module, level, aliases, found)
    if names == ("*",):
        found.references.append(Reference(module, (), line, True, level))
        return i
    while i < len(instructions) and instructions[i].opname == "IMPORT_FROM":
        name = instructions[i].argval
        found.references.append(Reference(module, (name,), line, True, level))
        if instructions[i + 1].opname.startswith("STORE_"):
            aliases[instructions[i + 1].argval] = _Alias(module, level, (name,))
        i += 2
    return i


def _plain_import(
    instructions: list[dis.Instruction],
    i: int,
    line: int,
    module: str,
    level: int,
    aliases: dict[str, _Alias],
    found: Usage,
) -> int:
    """``import a.b`` binds ``a``; ``import a.b as c`` binds ``a.b``."""
    target = module.partition(".")[0]
    while instructions[i].opname in ("IMPORT_FROM", "SWAP", "POP_TOP", "ROT_TWO"):
        target = module
        i += 1
    if "." in module and target != module:
        found.references.append(Reference(module, (), line, True, level))
    if instructions[i].opname.startswith("STORE_"):
        aliases[instructions[i].argval] = _Alias(target, level)
        found.references.append(Reference(target, (), line, True, level, whole=False))
    return i + 1

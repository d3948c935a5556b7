"""Where code takes the order of a set, which for text differs from one process to the next.

What is sorted, counted, summed or put into another set does not depend on it. The instructions are
followed in a line with a stack of what is known of each value; what can't be followed is not known.
"""

from __future__ import annotations

import dis
import itertools
import types
from typing import Any

_SET, _UNORDERED = "set", "unordered"  # a set; a sequence in the order of one

_OF_ANY_ORDER = frozenset(
    """sorted sort len sum min max any all isin union intersection difference symmetric_difference issubset issuperset
    isdisjoint update add Counter bool isinstance""".split()
)
_OF_A_SET = frozenset("set frozenset union intersection difference symmetric_difference".split())
_IN_ORDER = frozenset(
    """list tuple enumerate iter next zip map filter join Series DataFrame Index array asarray fromiter fromkeys deque
    chain reversed""".split()
)
_COMPREHENSIONS = {"<setcomp>": _SET, "<listcomp>": _UNORDERED, "<dictcomp>": _UNORDERED, "<genexpr>": _UNORDERED}
_SKIPPED = frozenset({"CACHE", "EXTENDED_ARG", "PRECALL", "NOP", "RESUME", "KW_NAMES"})
_HARMLESS = frozenset({"POP_TOP", "CONTAINS_OP", "COMPARE_OP", "STORE_FAST", "IS_OP", "SET_UPDATE", "UNPACK_SEQUENCE"})
_ENDS = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "RETURN_VALUE", "RAISE_VARARGS", "RERAISE"})


def order_of_a_set(code: types.CodeType) -> int | None:
    """The first line of a code object that takes the order of a set; None where none does.

    >>> order_of_a_set(compile("list(set(names))", "", "eval"))
    1
    >>> order_of_a_set(compile("sorted(set(names))", "", "eval")) is None
    True
    """
    return _Following(code).found


class _Following:
    def __init__(self, code: types.CodeType) -> None:
        self.stack: list[Any] = []
        self.at: dict[int, list[Any]] = {}
        self.found: int | None = None
        self.line = code.co_firstlineno
        instructions = [i for i in dis.get_instructions(code) if i.opname not in _SKIPPED]
        self.sorted = {
            one.argval
            for one, then in itertools.pairwise(instructions)
            if one.opname == "LOAD_FAST" and then.opname == "LOAD_METHOD" and then.argval == "sort"
        }
        self.locals: dict[str, Any] = {}
        for instruction, following in zip(instructions, [*instructions[1:], None], strict=True):
            self.line = instruction.starts_line or self.line
            self._step(instruction, following)

    def _step(self, i: dis.Instruction, following: dis.Instruction | None) -> None:
        if i.offset in self.at:
            self.stack = self.at[i.offset]
        own = getattr(self, f"_{i.opname.lower()}", None)
        if i.opcode in dis.hasjrel or i.opcode in dis.hasjabs:
            effect = dis.stack_effect(i.opcode, i.arg, jump=True)
            self.at.setdefault(i.argval, self.stack[:effect] if effect < 0 else [*self.stack, *[None] * effect])
        if own is not None:
            own(i, following)
        else:
            self._other(i)
        if i.opname in _ENDS:
            self.stack = []

    def _pop(self, count: int = 1) -> list[Any]:
        taken = self.stack[max(len(self.stack) - count, 0) :] if count else []
        del self.stack[max(len(self.stack) - count, 0) :]
        return [None] * (count - len(taken)) + taken

    def _note(self) -> None:
        self.found = self.found or self.line

    def _other(self, i: dis.Instruction) -> None:
        """An instruction of which only the depth of the stack is known."""
        effect = dis.stack_effect(i.opcode, i.arg, jump=False)
        taken = self._pop(max(-effect, 1 if i.opname.startswith("RETURN") else 0))
        if _UNORDERED in taken and i.opname not in _HARMLESS:
            self._note()
        if effect > 0:
            self.stack += [None] * effect

    def _load_global(self, i: dis.Instruction, following: object) -> None:
        self.stack += [*(["null"] if (i.arg or 0) & 1 else []), ("name", i.argval)]

    def _load_name(self, i: dis.Instruction, following: object) -> None:
        self.stack.append(("name", i.argval))

    def _push_null(self, i: dis.Instruction, following: object) -> None:
        self.stack.append("null")

    def _load_attr(self, i: dis.Instruction, following: object) -> None:
        self._pop()
        self.stack.append(("name", i.argval))

    def _load_method(self, i: dis.Instruction, following: object) -> None:
        (owner,) = self._pop()
        self.stack += [("name", i.argval), owner]

    def _load_const(self, i: dis.Instruction, following: object) -> None:
        value = i.argval
        if isinstance(value, types.CodeType):
            self.stack.append(("function", value.co_name))
        else:
            has_text = isinstance(value, frozenset) and any(isinstance(one, (str, bytes)) for one in value)
            self.stack.append(_SET if has_text else None)

    def _make_function(self, i: dis.Instruction, following: object) -> None:
        (code,) = self._pop()
        self._pop(bin(i.arg or 0).count("1"))
        self.stack.append(code)

    def _build_set(self, i: dis.Instruction, following: object) -> None:
        self._pop(i.arg or 0)
        self.stack.append(_SET)

    def _load_fast(self, i: dis.Instruction, following: object) -> None:
        self.stack.append(self.locals.get(i.argval))

    def _store_fast(self, i: dis.Instruction, following: object) -> None:
        (value,) = self._pop()
        is_sorted = value == _UNORDERED and i.argval in self.sorted
        self.locals[i.argval] = value if value in (_SET, _UNORDERED) and not is_sorted else None

    def _binary_op(self, i: dis.Instruction, following: object) -> None:
        left, right = self._pop(2)
        if _UNORDERED in (left, right):
            self._note()
        self.stack.append(_SET if left == _SET else None)

    def _get_iter(self, i: dis.Instruction, following: dis.Instruction | None) -> None:
        (value,) = self._pop()
        is_comprehension = following is not None and following.opname == "CALL"
        if value in (_SET, _UNORDERED) and not is_comprehension:
            self._note()
        self.stack.append(value)

    def _call(self, i: dis.Instruction, following: object) -> None:
        first, second, *arguments = self._pop((i.arg or 0) + 2)
        callee = second if first == "null" else first
        owner = None if first == "null" else second
        kind, name = callee if isinstance(callee, tuple) else (None, None)
        given = [owner, *arguments]
        if kind == "function":
            made = _COMPREHENSIONS.get(name)
            self.stack.append(made if made == _SET or {_SET, _UNORDERED} & set(map(str, given)) else None)
            return
        if name in _OF_A_SET and (owner == _SET or name in ("set", "frozenset")):
            self.stack.append(_SET)
            return
        takes_one = _SET in arguments or _UNORDERED in arguments
        if takes_one and name in _IN_ORDER:
            self.stack.append(_UNORDERED)
            return
        if _UNORDERED in given and name not in _OF_ANY_ORDER:
            self._note()
        if owner == _SET and name == "pop":
            self._note()
        self.stack.append(None)

"""A condition says whether a step is wanted: true, false, or one template that compares params and variables."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from odibi_assets.declare.mistake import shown
from odibi_assets.declare.template import BadTemplate, env_names, fill_env, fill_params
from odibi_assets.errors import UsageError

_EXPECTED = "true, false or one condition, as \"{{ params.year > 2012 and env.REGION == 'eu' }}\""
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_PLAIN = (str, int, float, bool, type(None))

LookUp = Callable[[str, str], Any]
"""Scope (``params`` or ``env``) and name → value."""


@dataclass(frozen=True)
class Condition:
    """The condition of a step.

    >>> year = Condition.of("{{ params.year > 2012 }}", {"year": 2010})
    >>> year.holds({}), str(year)
    (False, 'params.year > 2012, with params.year = 2010')

    Attributes:
        expression: As it was written, without the braces.
        params: The parameters that it names, with their values.
    """

    expression: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, params: Mapping[str, Any]) -> Condition:
        """Read what stands behind ``when:``.

        Raises:
            BadTemplate: It can't be read, names an unknown parameter, or is neither true nor false.
        """
        if isinstance(value, bool):
            return cls(str(value).lower())
        text = value.strip() if isinstance(value, str) else ""
        if not (text.startswith("{{") and text.endswith("}}")) or text.count("{{") > 1:
            raise BadTemplate(shown(value), _EXPECTED)
        expression = text[2:-2].strip()
        condition = cls(expression, _named_params(_tree(expression), params))
        # Whatever a variable holds, it is a text; both sides of `and` and `or` are looked at.
        _evaluate(_tree(expression), condition._look_up({}, unset=""), is_thorough=True)
        return condition

    def holds(self, env: Mapping[str, str]) -> bool:
        """Is it true now? A variable that is not set is none.

        Raises:
            UsageError: Its parts can't be compared.
        """
        try:
            return bool(_evaluate(_tree(self.expression), self._look_up(env)))
        except BadTemplate as error:
            raise UsageError(f"when: {{{{ {self.expression} }}}} can't be decided: {error}.") from error

    def _look_up(self, env: Mapping[str, str], *, unset: str | None = None) -> LookUp:
        def look_up(scope: str, name: str) -> Any:
            if scope == "env":
                return env.get(name, unset)
            value = self.params[name]
            return fill_env(value, env) if unset is None and env_names(value) else value

        return look_up

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        values = ", ".join(f"params.{name} = {value!r}" for name, value in self.params.items())
        return f"{self.expression}, with {values}" if values else self.expression


def _tree(expression: str) -> ast.expr:
    try:
        return ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadTemplate(shown(expression), _EXPECTED) from error


def _named_params(tree: ast.expr, params: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name in sorted({name for scope, name in _references(tree) if scope == "params"}):
        value = fill_params("{{ params." + name + " }}", params)
        if not all(isinstance(item, _PLAIN) for item in (value if isinstance(value, list) else [value])):
            expected = "a text, number, truth value, none, or a list of such"
            raise BadTemplate(f"params.{name}, {shown(value)}", expected)
        found[name] = value
    return found


def _references(node: ast.AST) -> Iterator[tuple[str, str]]:
    reference = _reference(node)
    if reference is not None:
        yield reference
    else:
        for part in ast.iter_child_nodes(node):
            yield from _references(part)


def _reference(node: ast.AST) -> tuple[str, str] | None:
    """``params.a.b`` → its scope and name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if names and isinstance(node, ast.Name) and node.id in ("params", "env"):
        return node.id, ".".join(reversed(names))
    return None


def _evaluate(tree: ast.expr, look_up: LookUp, *, is_thorough: bool = False) -> bool:
    return _truth(tree, _Evaluation(look_up, is_thorough).value(tree))


def _truth(node: ast.expr, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadTemplate(f"{ast.unparse(node)}, which is a {_kind(value)}", "a comparison, true or false")
    return value


def _kind(value: Any) -> str:
    names = {str: "text", int: "number", float: "number", bool: "truth value", list: "list"}
    return names.get(type(value), "none")


class _Evaluation:
    """One evaluation of a condition: literals, references, comparisons, ``and``, ``or``, ``not``, and nothing else.

    Args:
        is_thorough: Also look at what the outcome no longer depends on.
    """

    def __init__(self, look_up: LookUp, is_thorough: bool) -> None:
        self._look_up, self._is_thorough = look_up, is_thorough

    def value(self, node: ast.expr) -> Any:
        reference = _reference(node)
        if reference is not None:
            return self._look_up(*reference)
        if isinstance(node, ast.Constant) and isinstance(node.value, _PLAIN):
            return node.value
        if isinstance(node, ast.Name) and node.id in _WORDS:
            return _WORDS[node.id]
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self.value(item) for item in node.elts]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not _truth(node.operand, self.value(node.operand))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return -self._number(node.operand)
        if isinstance(node, ast.BoolOp):
            return self._joined(node)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        raise BadTemplate(
            shown(ast.unparse(node)), "params.NAME, env.NAME, a literal, a comparison, and, or, not", ("params", "env")
        )

    def _number(self, node: ast.Constant) -> int | float:
        if not isinstance(node.value, (int, float)):
            raise BadTemplate(shown(f"-{node.value!r}"), "a number after -")
        return node.value

    def _joined(self, node: ast.BoolOp) -> bool:
        truths: Iterable[bool] = (_truth(part, self.value(part)) for part in node.values)
        if self._is_thorough:
            truths = list(truths)
        return all(truths) if isinstance(node.op, ast.And) else any(truths)

    def _compared(self, node: ast.Compare) -> bool:
        values = [self.value(side) for side in (node.left, *node.comparators)]
        outcome = True
        for left, operation, right in zip(values, node.ops, values[1:], strict=False):
            compare = _COMPARISONS.get(type(operation))
            if compare is None:
                raise BadTemplate(shown(ast.unparse(node)), "one of ==, !=, <, <=, >, >=, in, not in")
            try:
                outcome = bool(compare(left, right)) and outcome
            except TypeError as error:
                found = f"{ast.unparse(node)}, which compares a {_kind(left)} with a {_kind(right)}"
                raise BadTemplate(found, "two of one kind; a variable is always a text") from error
        return outcome

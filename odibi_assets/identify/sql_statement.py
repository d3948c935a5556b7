"""What a SQL statement is, and what it takes: its tokens, its tables, its volatile functions.

DuckDB's own parser answers; nothing here parses SQL by hand.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from odibi_assets.errors import OdibiAssetsError
from odibi_assets.identify.item import Obstacle


class BadStatement(OdibiAssetsError):
    """A text that is not one SELECT statement; ``line`` counts from 1 within the text."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Statement:
    """A parsed SELECT.

    Attributes:
        text: The statement without comments and blank runs outside literals (truth.md 1.8).
        tables: Names it reads, without those it defines itself.
        takes_date: It uses ``current_date`` or its like: the date is part of its key.
        obstacles: Volatile functions that make its result non-reusable.
        is_unordered: It promises no order of its rows, and may give another from run to run.
    """

    text: str
    tables: frozenset[str]
    takes_date: bool
    obstacles: tuple[Obstacle, ...]
    is_unordered: bool = False


_DATES = frozenset({"current_date", "today"})
_TIMES_WITHOUT_BRACKETS = frozenset({"current_timestamp", "current_time", "localtime", "localtimestamp"})
_SAMPLE = ("sample", -1)  # a clause, not a function
# Answer from settings or the session, not from the inputs.
_SETTINGS = frozenset(
    """current_setting duckdb_settings getvariable current_schema current_schemas current_database current_query
    version""".split()
)
_NO_ANSWER = frozenset({"error"})  # volatile by declaration, but it only fails
# age(x) counts from today, though DuckDB 2.0 declares one of its overloads consistent.
_AGE_OF_ONE = ("age", 1)
_PIVOT = re.compile(r"\bpivot(_wider)?\b", re.IGNORECASE)
_ALLOWED_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "repeat", "repeat_row"})


@functools.lru_cache(maxsize=4096)
def parse_statement(sql: str) -> Statement:
    """Parse one SELECT.

    Raises:
        BadStatement: It does not parse, is more than one statement, or is not a SELECT.
    """
    connection = _connection()
    data = json.loads(connection.execute("select json_serialize_sql(?)", [sql]).fetchone()[0])
    if data.get("error"):
        position = int(data.get("position") or 0)
        message = str(data.get("error_message", "it does not parse")).split("\n")[0]
        if _PIVOT.search(sql) and "Only SELECT" in message:
            # DuckDB makes two statements of it, the first of which reads the values.
            message = "PIVOT … ON without the values: name them, as in ON name IN ('a', 'b')"
        raise BadStatement(message, sql.count("\n", 0, position) + 1)
    if len(data["statements"]) != 1:
        raise BadStatement(f"{len(data['statements'])} statements", 1)
    tables: set[str] = set()
    functions: set[tuple[str, int]] = set()
    files: list[str] = []
    _walk(data["statements"][0]["node"], frozenset(), tables, functions, files)
    if files:
        raise BadStatement(f"{files[0]} reads a file or an unknown source", 1)
    obstacles, takes_date = _judge(functions, _pure_macros())
    is_unordered = _is_unordered(data["statements"][0]["node"], {})
    return Statement(_normalised(sql), frozenset(tables), takes_date, obstacles, is_unordered)


def _is_unordered(node: dict[str, Any], common: dict[str, Any]) -> bool:
    """Does a query join, aggregate, drop duplicates or combine, without an ORDER BY after it?

    DuckDB keeps the order of what it only filters or lists one after the other (truth.md 3.2).
    """
    entries = (node.get("cte_map") or {}).get("map") or []
    common = {**common, **{str(entry["key"]).lower(): entry["value"].get("query_node") or {} for entry in entries}}
    modifiers = {modifier.get("type") for modifier in node.get("modifiers") or ()}
    if "ORDER_MODIFIER" in modifiers:
        return False
    if node.get("type") == "SET_OPERATION_NODE":
        parts = node.get("children") or [part for part in (node.get("left"), node.get("right")) if part]
        return not node.get("setop_all") or any(_is_unordered(part, common) for part in parts)
    if node.get("type") != "SELECT_NODE":
        return False
    aggregates = node.get("group_expressions") or node.get("aggregate_handling") != "STANDARD_HANDLING"
    return bool(aggregates) or "DISTINCT_MODIFIER" in modifiers or _is_source_unordered(node["from_table"], common)


def _is_source_unordered(source: dict[str, Any], common: dict[str, Any]) -> bool:
    if source.get("type") == "JOIN":
        sides = (source["left"], source["right"])
        return source.get("ref_type") != "POSITIONAL" or any(_is_source_unordered(side, common) for side in sides)
    if source.get("type") == "SUBQUERY":
        return _is_unordered(source["subquery"]["node"], common)
    if source.get("type") == "PIVOT":
        return bool(source.get("aggregates")) or _is_source_unordered(source["source"], common)
    name = str(source.get("table_name", "")).lower()
    rest = {other: node for other, node in common.items() if other != name}
    return source.get("type") == "BASE_TABLE" and name in common and _is_unordered(common[name], rest)


def _normalised(sql: str) -> str:
    """The text between DuckDB's tokens, blank runs outside literals as one blank, comments gone."""
    import duckdb

    tokens = duckdb.tokenize(sql)
    data = sql.encode()
    ends = [start for start, _ in tokens[1:]] + [len(data)]
    parts = []
    for (start, kind), end in zip(tokens, ends, strict=True):
        text = data[start:end].decode(errors="surrogateescape")
        if str(kind).endswith("comment"):
            continue
        parts.append(_before_comment(text, kind).strip())
    return " ".join(part for part in parts if part).rstrip("; ")


def _before_comment(text: str, kind: Any) -> str:
    """A token's own text: the tokenizer does not report comments, so they trail the token before them."""
    if str(kind).endswith("string_const"):
        quote = text[0] if text[:1] in "'\"$" else ""
        end = _literal_end(text, quote)
        return text[:end]
    if text[:1] == '"':
        return text[: _literal_end(text, '"')]
    for opening in ("--", "/*"):
        cut = text.find(opening)
        if cut >= 0:
            text = text[:cut]
    return text


def _literal_end(text: str, quote: str) -> int:
    if quote in ("'", '"'):
        i = 1
        while i < len(text):
            if text[i] == quote:
                if text[i + 1 : i + 2] != quote:
                    return i + 1
                i += 1
            i += 1
    if quote == "$":
        tag = text[: text.find("$", 1) + 1]
        end = text.find(tag, len(tag))
        return end + len(tag) if end >= 0 else len(text)
    return len(text)


def _walk(
    node: Any, names: frozenset[str], tables: set[str], functions: set[tuple[str, int]], files: list[str]
) -> None:
    if isinstance(node, list):
        for item in node:
            _walk(item, names, tables, functions, files)
        return
    if not isinstance(node, dict):
        return
    names = _walk_common_tables(node, names, tables, functions, files)
    if node.get("type") == "BASE_TABLE":
        name = node["table_name"]
        if node.get("schema_name") or node.get("catalog_name"):
            files.append(".".join(filter(None, (node.get("catalog_name"), node.get("schema_name"), name))))
        elif "." in name or "/" in name:
            files.append(f"'{name}'")
        elif name.lower() not in names:
            tables.add(name)
    if node.get("type") == "TABLE_FUNCTION":
        name = node.get("function", {}).get("function_name", "").lower()
        if name not in _ALLOWED_TABLE_FUNCTIONS:
            files.append(f"{name}(…)")
    sample = node.get("sample")
    if isinstance(sample, dict) and "sample_size" in sample and not sample.get("repeatable"):
        functions.add(_SAMPLE)
    if node.get("class") == "FUNCTION":
        functions.add((str(node.get("function_name", "")).lower(), len(node.get("arguments") or ())))
    if node.get("class") == "COLUMN_REF" and len(node.get("column_names", ())) == 1:
        functions.add(("column " + node["column_names"][0].lower(), 0))
    for key, value in node.items():
        if key != "cte_map":
            _walk(value, names, tables, functions, files)


def _walk_common_tables(
    node: dict[str, Any], names: frozenset[str], tables: set[str], functions: set[tuple[str, int]], files: list[str]
) -> frozenset[str]:
    entries = (node.get("cte_map") or {}).get("map") or []
    for entry in entries:
        name = str(entry["key"]).lower()
        body = entry["value"]
        recursive = any(part.get("type") == "RECURSIVE_CTE_NODE" for part in _nodes(body))
        _walk(body, names | {name} if recursive else names, tables, functions, files)
        names = names | {name}
    return names


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for item in node:
            yield from _nodes(item)


def _judge(functions: set[tuple[str, int]], pure_macros: frozenset[str]) -> tuple[tuple[Obstacle, ...], bool]:
    obstacles = []
    takes_date = False
    stability = _stability()
    for name, argument_count in sorted(functions):
        if name in _DATES or name == "column current_date":
            takes_date = True
            continue
        if name.startswith("column "):
            bare = name.removeprefix("column ")
            if bare not in _TIMES_WITHOUT_BRACKETS:
                continue
            name = bare
            obstacles.append(Obstacle("clock", f"it calls {name}, which answers differently each time"))
            continue
        if (name, argument_count) == _SAMPLE:
            obstacles.append(Obstacle("random", "it takes a sample without repeatable(seed)"))
            continue
        if name in _NO_ANSWER:
            continue
        if name in _SETTINGS:
            obstacles.append(Obstacle("settings", f"it calls {name}(), which answers from the session"))
            continue
        kinds = stability.get((name, argument_count)) or stability.get((name, None))
        # Where only some overloads vary, it is with the time zone, which is fixed to UTC.
        if (name, argument_count) == _AGE_OF_ONE or (kinds and kinds <= {"VOLATILE", "CONSISTENT_WITHIN_QUERY"}):
            kind = "random" if "random" in name or "uuid" in name else "clock"
            obstacles.append(Obstacle(kind, f"it calls {name}(), which answers differently each time"))
        elif kinds == {"MACRO"} and name not in pure_macros:
            obstacles.append(Obstacle("macro", f"it calls {name}(), a macro whose stability is not known"))
    return tuple(obstacles), takes_date


@functools.cache
def _pure_macros() -> frozenset[str]:
    """Macros that come down to functions which answer the same, be it through other macros."""
    calls: dict[str, set[tuple[str, int]]] = {}
    for name, definition in (
        _connection()
        .execute("select function_name, macro_definition from duckdb_functions() where function_type = 'macro'")
        .fetchall()
    ):
        calls.setdefault(str(name).lower(), set()).update(_macro_calls(definition))
    pure: frozenset[str] = frozenset()
    while True:
        found = frozenset(name for name, functions in calls.items() if _judge(functions, pure) == ((), False))
        if found == pure:
            return pure
        pure = found


def _macro_calls(definition: str) -> set[tuple[str, int]]:
    functions: set[tuple[str, int]] = set()
    try:
        data = json.loads(_connection().execute("select json_serialize_sql(?)", [f"select {definition}"]).fetchone()[0])
        _walk(data["statements"][0]["node"], frozenset(), set(), functions, [])
    except Exception:  # what DuckDB can't serialise is not known to be pure
        return {("current_setting", 1)}
    return functions


@functools.cache
def _stability() -> dict[tuple[str, int | None], set[str]]:
    """(Function, count of its arguments) → stability of its overloads; under None that of all of them."""
    found: dict[tuple[str, int | None], set[str]] = {}
    for name, kind, stability, parameters in (
        _connection()
        .execute("select function_name, function_type, stability, parameters from duckdb_functions()")
        .fetchall()
    ):
        verdict = "MACRO" if kind == "macro" else str(stability or "UNKNOWN")
        for count in (None, len(parameters)):
            found.setdefault((str(name).lower(), count), set()).add(verdict)
    return found


@functools.cache
def _connection() -> Any:
    import duckdb

    return duckdb.connect(":memory:", config={"enable_external_access": False, "python_enable_replacements": False})

"""A YAML file as plain data, with the line on which each value stands."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from odibi_assets.declare.mistake import DefinitionError, Mistake, shown

Place = tuple[str | int, ...]
_MOST_VALUES = 500_000
_PLAIN_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class YamlSource:
    """The parsed file.

    Attributes:
        file: As messages show it: relative to the project root where it lies below it.
        data: Plain values; the keys of mappings are the texts that stand in the file.
        lines: Path of keys and indices → line, counted from 1.
        mistakes: Keys that stand twice in one mapping.
    """

    file: str
    data: Any
    lines: Mapping[Place, int]
    mistakes: tuple[Mistake, ...] = ()

    def line(self, place: Place) -> int | None:
        """Line of a place, or of the nearest thing around it that exists."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None

    def below(self, *place: str) -> YamlSource:
        """The part of the file under a key, with the same lines."""
        data, size = self.data, len(place)
        for key in place:
            data = data[key]
        lines = {path[size:]: line for path, line in self.lines.items() if path[:size] == place}
        return YamlSource(self.file, data, lines, self.mistakes)


def parse_yaml(text: str, *, file: str) -> YamlSource:
    """Parse one YAML document.

    Raises:
        DefinitionError: It is not YAML, or holds what plain data can't.
    """
    lines: dict[Place, int] = {}
    mistakes: list[Mistake] = []
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        data = None if node is None else _value(loader, node, (), file, lines, mistakes)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise DefinitionError(
            [Mistake(file, line, "YAML", shown(error.problem or error), "a YAML document")]
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DefinitionError([Mistake(file, 1, "YAML", shown(error), "a YAML document")]) from error
    finally:
        if loader is not None:
            loader.dispose()
    return YamlSource(file, data, lines or {(): 1}, tuple(mistakes))


def read_yaml(path: Path, *, file: str) -> YamlSource:
    """Parse a YAML file; ``file`` is how messages name it.

    Raises:
        DefinitionError: It can't be read, is not UTF-8, or is not YAML.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError([Mistake(file, None, "file", shown(error), "a readable UTF-8 file")]) from error
    return parse_yaml(text, file=file)


def _value(loader: Any, node: Any, place: Place, file: str, lines: dict[Place, int], mistakes: list[Mistake]) -> Any:
    lines.setdefault(place, node.start_mark.line + 1)
    if len(lines) > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES} values (do anchors multiply?)")
    if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN_COLLECTIONS:
        raise yaml.MarkedYAMLError(problem=f"the tag {node.tag} on a list or mapping", problem_mark=node.start_mark)
    if isinstance(node, yaml.MappingNode):
        own = {id(key_node) for key_node, _ in node.value}
        loader.flatten_mapping(node)  # puts what `<<` brings first, so that the mapping's own keys override it
        result: dict[Hashable, Any] = {}
        keys: set[Hashable] = set()
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = _scalar(loader, key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if isinstance(key, bool):
                key = key_node.value  # YAML 1.1 reads the key `on` as true
            if key is None:
                mistakes.append(Mistake(file, line, dotted(place), "a list or mapping as a key", "a text as a key"))
                continue
            if key in keys:
                mistakes.append(Mistake(file, line, dotted((*place, key)), f"{key} a second time", "each key once"))
            if id(key_node) in own:
                keys.add(key)
            lines[*place, key] = line
            result[key] = _value(loader, value_node, (*place, key), file, lines, mistakes)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*place, i), file, lines, mistakes) for i, item in enumerate(node.value)]
    return _scalar(loader, node)


def _scalar(loader: Any, node: Any) -> Any:
    try:
        return loader.construct_object(node, deep=True)
    except (KeyError, IndexError, AttributeError) as error:  # what PyYAML lets through for `!!bool x` and its like
        kind = str(node.tag).rpartition(":")[2]
        raise yaml.MarkedYAMLError(problem=f"{node.value!r} is no {kind}", problem_mark=node.start_mark) from error


def dotted(place: Place) -> str:
    """A place as messages show it.

    >>> dotted(("steps", 1, "layer"))
    'steps[1].layer'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.lstrip(".") or "document"

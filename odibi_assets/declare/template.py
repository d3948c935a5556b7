"""Templates: ``{{ params.X }}`` and ``{{ env.X }}`` inside the texts of a definition.

Parameters are filled in when a definition is read. Environment values stay as templates until a
step runs, so that nothing which is kept or shown can hold them: an identity takes the template
and a salted digest of the value (truth.md 2.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from odibi_assets.errors import UsageError

_TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_REFERENCE = re.compile(r"(params|env)\.([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)\Z")


class BadTemplate(UsageError):
    """A template that does not name a parameter or an environment variable."""

    def __init__(self, found: str, expected: str, choices: tuple[str, ...] = ()) -> None:
        super().__init__(f"found {found!r}, expected {expected}")
        self.found, self.expected, self.choices = found, expected, choices


def fill_params(value: Any, params: Mapping[str, Any]) -> Any:
    """Replace ``{{ params.X }}``; a text that is one template takes the parameter's own type.

    >>> fill_params({"year": "{{ params.year }}", "path": "y={{params.year}}.csv"}, {"year": 2013})
    {'year': 2013, 'path': 'y=2013.csv'}
    """

    def look_up(scope: str, name: str, template: str) -> Any:
        return template if scope == "env" else _param(params, name)

    return _fill(value, look_up)


def fill_env(value: Any, env: Mapping[str, str]) -> Any:
    """Replace ``{{ env.X }}``, always by text.

    Raises:
        UsageError: The variable is not set.
    """

    def look_up(scope: str, name: str, template: str) -> Any:
        if scope != "env":
            return template
        if name not in env:
            raise UsageError(f"The environment variable {name} is not set, and the definition uses it in {template!r}.")
        return env[name]

    return _fill(value, look_up)


def env_names(value: Any) -> set[str]:
    """The environment variables whose value a text, list or mapping takes.

    >>> sorted(env_names({"a": ["{{ env.TOKEN }}", "{{ env.HOST }}:{{ env.PORT }}"]}))
    ['HOST', 'PORT', 'TOKEN']
    """
    return {name for text in _texts(value) for scope, name, _ in _references(text) if scope == "env"}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _references(text: str) -> Iterator[tuple[str, str, str]]:
    _check_closed(text)
    for match in _TEMPLATE.finditer(text):
        yield (*_reference(match), match.group(0))


def _check_closed(text: str) -> None:
    _, opening, rest = _TEMPLATE.sub("", text).partition("{{")
    if opening:
        raise BadTemplate(opening + rest[:40], "}} after {{")


def _reference(match: re.Match[str]) -> tuple[str, str]:
    reference = _REFERENCE.match(match.group(1))
    if reference is None:
        raise BadTemplate(match.group(0), "{{ params.NAME }} or {{ env.NAME }}")
    return reference.group(1), reference.group(2)


def _param(params: Mapping[str, Any], name: str) -> Any:
    value: Any = params
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            choices = tuple(map(str, value)) if isinstance(value, Mapping) else ()
            raise BadTemplate(
                "{{ params." + name + " }}", f"a parameter of the pipeline ({', '.join(choices) or 'none'})", choices
            )
        value = value[part]
    return value


def _fill(value: Any, look_up: Callable[[str, str, str], Any]) -> Any:
    if isinstance(value, str):
        whole = _TEMPLATE.fullmatch(value.strip())
        if whole is not None and value.count("{{") == 1:
            return look_up(*_reference(whole), whole.group(0))
        return _TEMPLATE.sub(lambda match: str(look_up(*_reference(match), match.group(0))), value)
    if isinstance(value, Mapping):
        return {_fill(key, look_up): _fill(item, look_up) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fill(item, look_up) for item in value)
    return value

"""A declared pipeline as YAML that means the same."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from odibi_assets.declare.yaml_source import parse_yaml
from odibi_assets.errors import UsageError

_IS_REFERENCE = re.compile(r"((^|\.)python|retry\.on\[\d+\])$")
_PLAIN = (type(None), bool, int, float, str, bytes, datetime.date, datetime.datetime)


def to_yaml(data: Mapping[str, Any]) -> str:
    """The YAML of a pipeline's data, with functions named as ``module:function``.

    >>> print(to_yaml({"name": "shop", "steps": [{"name": "a", "sql": "select 1\\nas n\\n"}]}), end="")
    name: shop
    steps:
    - name: a
      sql: |
        select 1
        as n

    Raises:
        UsageError: A value has no word in YAML, or comes back from it as another; the message holds the path to it.
    """
    plain = {key: _plain(value, key) for key, value in data.items()}
    return _dumped(plain)


def function_name(function: Callable[..., Any], path: str) -> str:
    """``module:function`` of a function that a module holds under its own name.

    Raises:
        UsageError: No reference leads to it.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not name or "<" in name:
        raise UsageError(
            f"{path} is {name or function!r}, which no reference can name: expected a function at the top of a module."
        )
    return f"{module}:{name}"


def _plain(value: Any, path: str) -> Any:
    if callable(value) and _IS_REFERENCE.search(path):
        return function_name(value, path)
    if isinstance(value, Mapping):
        return {_plain(key, f"a key of {path}"): _plain(item, f"{path}.{key}") for key, item in value.items()}
    if type(value) is list:
        return [_plain(item, f"{path}[{i}]") for i, item in enumerate(value)]
    is_plain = type(value) in _PLAIN
    if not is_plain or repr(parse_yaml(_dumped({"v": value}), file="").data["v"]) != repr(value):
        found = f"{value!r}, which comes back from YAML as another" if is_plain else f"a {type(value).__qualname__}"
        raise UsageError(f"{path} is {found}: expected texts, numbers, dates, lists and mappings, as YAML has them.")
    return value


def _dumped(data: Mapping[str, Any]) -> str:
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value.strip() else None)


_Dumper.add_representer(str, _text)

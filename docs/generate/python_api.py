"""The public names of ``odibi_assets``, as their docstrings tell."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

import odibi_assets
from odibi_assets.components import MedallionPipeline

_HEADINGS = {"Args": "Takes", "Attributes": "Has", "Returns": "Returns", "Raises": "Raises"}


def python_api() -> str:
    """A section for each name, with its methods."""
    return "\n\n".join(_section(name, getattr(odibi_assets, name)) for name in odibi_assets.__all__)


def _section(name: str, found: type) -> str:
    parts = [f"### {name}"]
    if not issubclass(found, (MedallionPipeline, BaseModel, BaseException)):
        parts.append(_code(f"odibi_assets.{name}{_parameters(found)}"))
    parts.append(as_markdown(inspect.getdoc(found) or ""))
    if issubclass(found, BaseModel):
        parts.append(f"Its fields are those of [{name} in YAML](yaml.md#{name.lower()}).")
    elif not issubclass(found, MedallionPipeline):
        for method, shown, about in _methods(found):
            parts += [f"#### {name}.{method}", _code(shown), as_markdown(about)]
    return "\n\n".join(part for part in parts if part)


def _methods(found: type) -> Iterator[tuple[str, str, str]]:
    """Name, declaration and docstring of what a class itself defines."""
    for name, member in vars(found).items():
        function = member.fget if isinstance(member, property) else member
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        shown = _parameters(function)
        yield (
            name,
            name + (shown.replace("()", "") if member is not function else shown),
            inspect.getdoc(function) or "",
        )


def _parameters(found: Any) -> str:
    """Parameters and what comes back, in short names.

    >>> def found(self, name: str, *, layer: odibi_assets.x.Layer = 1) -> dg.Definitions: ...
    >>> _parameters(found)
    '(name: str, *, layer: Layer = 1) -> Definitions'
    """
    signature = inspect.signature(found)
    shown = [each for name, each in signature.parameters.items() if name != "self" and not name.startswith("_")]
    text = str(signature.replace(parameters=shown))
    text = re.sub(r": '([^']*)'", r": \1", re.sub(r"-> '([^']*)'", r"-> \1", text))
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", text).removesuffix(" -> None")


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def as_markdown(docstring: str) -> str:
    """Google's sections as lists, examples as code.

    >>> print(as_markdown("Do it.\\n\\nArgs:\\n    name: The name,\\n        in full."))
    Do it.
    <BLANKLINE>
    **Takes**
    <BLANKLINE>
    - `name`: The name, in full.
    """
    return "\n\n".join(map(_block, re.split(r"\n\n(?=\S)", docstring.strip())))


def _block(text: str) -> str:
    head, _, body = text.partition("\n")
    if head.endswith("::"):
        language = "yaml" if "yaml" in head else "python"
        return f"{_inline(head[:-1])}\n\n```{language}\n{textwrap.dedent(body).strip()}\n```"
    if head.startswith(">>>"):
        return f"```pycon\n{text}\n```"
    heading = _HEADINGS.get(head.removesuffix(":"))
    if heading is None:
        return _inline(text)
    entries = re.split(r"\n(?=\S)", textwrap.dedent(body).strip())
    listed = [re.sub(r"^([\w*]+):", r"`\1`:", " ".join(entry.split())) for entry in entries]
    return f"**{heading}**\n\n" + "\n".join(f"- {_inline(entry)}" for entry in listed)


def _inline(text: str) -> str:
    return text.replace("``", "`")

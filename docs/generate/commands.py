"""The command line, as its own parser tells it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from generate.fields import cell
from odibi_assets.cli.app import app


def commands() -> str:
    """A section for each command, in the order of ``oda --help``."""
    return "\n\n".join(_section(name, command) for name, command in walk(get_command(app), "oda"))


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below one, with its full name."""
    for word, child in getattr(command, "commands", {}).items():
        if getattr(child, "commands", None):
            yield from walk(child, f"{name} {word}")
        else:
            yield f"{name} {word}", child


def _section(name: str, command: Any) -> str:
    about, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = " ".join([name, *(str(argument.metavar) for argument in arguments), *("[OPTIONS]" for _ in options[:1])])
    parts = [f"### {name}", f"`{usage}`", about.strip()]
    if example:
        parts.append(f"```console\n$ {example.strip()}\n```")
    rows = [f"| `{cell(argument.metavar)}` | {cell(argument.help or '')} |" for argument in arguments]
    rows += [f"| {_option(option)} | {cell(option.help or '')}{_default(option)} |" for option in options]
    if rows:
        parts.append("\n".join(["| | |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def _option(option: Any) -> str:
    if option.is_flag:
        return ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    value = option.metavar or option.name.upper()
    return ", ".join(f"`{name} {value}`" for name in option.opts) + (" …" if option.multiple else "")


def _default(option: Any) -> str:
    return "" if option.default in (None, False, True, [], ()) else f" Unless given: `{option.default}`."

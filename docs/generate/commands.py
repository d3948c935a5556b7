"""The command line, as its own parser tells it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer.main

from generate.fields import cell
from odibi_assets.cli.app import app
from odibi_assets.cli.documents import DOCUMENTS


def commands() -> str:
    """A section for each command, in the order of ``oda --help``."""
    return "\n\n".join(_section(name, command) for name, command in every())


def every(group: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command under the name by which it is called."""
    root: Any = typer.main.get_command(app)
    for own, command in (group or root).commands.items():
        full = f"{name} {own}".strip()
        if hasattr(command, "commands"):
            yield from every(command, full)
        else:
            yield full, command


def _section(name: str, command: Any) -> str:
    about, _, example = inspect.cleandoc(command.help).partition("Example: ")
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    usage = " ".join(["oda", name, *(param.metavar for param in arguments), *(["[OPTIONS]"] if options else [])])
    rows = [f"| `{cell(param.metavar)}` | {_help(param)} |" for param in arguments]
    rows += [f"| {_spelling(param)} | {_help(param)} |" for param in options]
    parts = [f"### oda {name}", f"`{usage}`", about.strip(), f"```console\n$ {example.strip()}\n```"]
    parts.append("\n".join(["| | |", "|---|---|", *rows]))
    if name in DOCUMENTS:
        parts.append(f"[Schema of its document](../schemas/{name.replace(' ', '-')}.json).")
    return "\n\n".join(parts)


def _spelling(param: Any) -> str:
    value = "" if param.is_flag else f" {param.metavar or param.name.upper()}"
    spelled = " / ".join(f"`{name}{value}`" for name in (*param.opts, *param.secondary_opts))
    return f"{spelled} …" if param.multiple else spelled


def _help(param: Any) -> str:
    default = param.default
    shown = f" Default: {default}." if isinstance(default, int | str) and not isinstance(default, bool) else ""
    return cell(f"{param.help}{shown}")

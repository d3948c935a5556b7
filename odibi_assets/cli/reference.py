"""The reference page of the command line, made from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer.main

from odibi_assets.cli.app import app
from odibi_assets.cli.documents import DOCUMENTS

_HEAD = """\
# The command line

`oda [-C DIR] COMMAND`. DIR, here unless given, is the project root: it is on the import path, and relative data paths
start there. PIPELINE is a name in the project, a path to a YAML file, or `file.py:name`. An option marked with … may be
repeated.

`--json` prints one document on standard output and nothing else there; its fields are in the schema that each command
names. A command that could not begin prints [an error](../schemas/error.json) instead. Exit status: 0 success, 1 a step
failed, 2 usage or definition error, 3 waiting for approval.

Colours and the live view of a run are for terminals: a pipe gets plain lines, and `NO_COLOR` takes the colours away.
`oda --install-completion` teaches bash, zsh and fish the names of commands, pipelines, steps and runs.

This page is written by `make reference`.
"""


def commands(group: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command under the name by which it is called."""
    root: Any = typer.main.get_command(app)
    for own, command in (group or root).commands.items():
        full = f"{name} {own}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, full)
        else:
            yield full, command


def reference() -> str:
    """The page, as Markdown."""
    return "\n".join([_HEAD, *(_section(name, command) for name, command in commands())])


def _section(name: str, command: Any) -> str:
    text, _, example = inspect.cleandoc(command.help).partition("Example: ")
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    usage = " ".join(["oda", name, *(param.metavar for param in arguments), *(["[OPTIONS]"] if options else [])])
    lines = [f"## oda {name}", "", f"`{usage}`", "", text.strip(), "", f"    {example.strip()}", ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| `{param.metavar}` | {_help(param)} |" for param in arguments]
    lines += [f"| {_spelling(param)} | {_help(param)} |" for param in options]
    if name in DOCUMENTS:
        lines += ["", f"[Schema of its document](../schemas/{name.replace(' ', '-')}.json)."]
    return "\n".join([*lines, ""])


def _spelling(param: Any) -> str:
    value = "" if param.is_flag else f" {param.metavar or param.name.upper()}"
    spelled = " / ".join(f"`{name}{value}`" for name in (*param.opts, *param.secondary_opts))
    return f"{spelled} …" if param.multiple else spelled


def _help(param: Any) -> str:
    default = param.default
    shown = f" Default: {default}." if isinstance(default, int | str) and not isinstance(default, bool) else ""
    return f"{param.help}{shown}".replace("|", "\\|")

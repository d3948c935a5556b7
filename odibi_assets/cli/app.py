"""The full command line: options of all commands, errors as sentences, exit statuses."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from odibi_assets.cli import (
    accept,
    cache,
    dev,
    export,
    graph,
    history,
    init,
    list_command,
    logs,
    plan,
    resume,
    rollback,
    run,
    show,
    sync,
    validate,
    verify,
    why,
)
from odibi_assets.cli.opened import State
from odibi_assets.cli.output import print_json
from odibi_assets.declare.mistake import DefinitionError, Mistake
from odibi_assets.errors import OdibiAssetsError

app = typer.Typer(
    name="oda",
    help="Medallion pipelines on Dagster: unchanged work is never repeated, and every decision can be explained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    directory: Annotated[
        str, typer.Option("-C", metavar="DIR", help="The project root; data paths start there.")
    ] = ".",
) -> None:
    context.obj = State(directory)


app.command("list")(list_command.list_pipelines)
app.command("graph")(graph.graph)
app.command("validate")(validate.validate)
app.command("plan")(plan.plan)
app.command("run")(run.run)
app.command("resume")(resume.resume)
app.command("rollback")(rollback.rollback)
app.command("why")(why.why)
app.command("verify")(verify.verify)
app.command("accept")(accept.accept)
app.command("show")(show.show)
app.command("history")(history.history)
app.command("logs")(logs.logs)
app.command("init")(init.init)
app.command("export")(export.export)
app.command("sync")(sync.sync)
app.command("dev")(dev.dev)
app.add_typer(cache.app, name="cache")


def run_app(arguments: list[str]) -> int:
    """Run one command; returns the exit status: 0 success, 1 a step failed, 2 usage or definition error."""
    try:
        app(with_default_force(arguments))
    except SystemExit as stop:
        refused = stop.__context__
        if "--json" in arguments and isinstance(refused, typer.TyperException):
            _print_error(refused.format_message())
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 2
    except OdibiAssetsError as error:
        if "--json" in arguments:
            _print_error(str(error), error.mistakes if isinstance(error, DefinitionError) else ())
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted: what had finished is kept.", file=sys.stderr)
        return 130
    return 0


def _print_error(error: str, mistakes: Iterable[Mistake] = ()) -> None:
    print_json({"error": error, "mistakes": [mistake.to_json() for mistake in mistakes]})


def with_default_force(arguments: list[str]) -> list[str]:
    """``--force`` alone stands for all steps; ``--force=STEP`` for one.

    >>> with_default_force(["run", "flights", "--force", "--json"])
    ['run', 'flights', '--force=*', '--json']
    """
    return ["--force=*" if argument == "--force" else argument for argument in arguments]

"""``oda verify``: check a receipt again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from odibi_assets.cli.opened import JsonOption, open_pipeline
from odibi_assets.cli.output import print_json
from odibi_assets.cli.receipt import check_lines, checked_source
from odibi_assets.errors import UsageError
from odibi_assets.execute.receipt import Receipt, parse_receipt
from odibi_assets.execute.verification import verify as check_parts


def verify(
    context: typer.Context,
    receipt: Annotated[
        Path, typer.Argument(metavar="RECEIPT", help="A file with what oda why PIPELINE STEP --receipt printed.")
    ],
    json: JsonOption = False,
) -> None:
    """Check a receipt against the code, files and variables that are here, and the data where the store is here.

    Exit status 1 if something differs, 2 if it is no receipt, or one of another version.

    Example: oda verify receipt.txt
    """
    project = context.obj.project
    found = _read(project.root / receipt, str(receipt))
    opened = open_pipeline(context, checked_source(project, found.source))
    checks = check_parts(found, opened.identity, opened.world)
    differs = any(check.outcome == "differs" for check in checks)
    if json:
        print_json(
            {
                "pipeline": found.pipeline,
                "step": found.step.step,
                "key": str(found.step.digest),
                "version": str(found.step.reference.version),
                "holds": not differs,
                "checks": [asdict(check) for check in checks],
            }
        )
    else:
        typer.echo("\n".join(check_lines(found, checks)))
    if differs:
        raise typer.Exit(1)


def _read(path: Path, name: str) -> Receipt:
    """
    Raises:
        UsageError: There is no such file, or it is no receipt.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The receipt {name} can't be read: {error.strerror}.") from error
    return parse_receipt(data, name)

"""What push and pull have in common: progress while results are copied, and the account of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from odibi_assets.cli.output import print_json
from odibi_assets.decide.plan import utc_now
from odibi_assets.keep.results import Results, readable_size
from odibi_assets.keep.transfer import Progress, Transferred, transfer

SkipSaltedOption = Annotated[
    bool,
    typer.Option("--skip-salted", help="Where the stores' salts differ: leave out what rests on variables."),
]


def copy(source: Results, target: Results, *, skip_salted: bool, as_json: bool) -> None:
    """Copy, show progress, and say what was done."""
    at = utc_now().isoformat(timespec="milliseconds")
    with _progress(quiet=as_json) as tell:
        done = transfer(source, target, at=at, skip_salted=skip_salted, tell=tell)
    if as_json:
        print_json(
            {
                "from": source.store.name,
                "to": target.store.name,
                "copied": done.copied,
                "present": done.present,
                "blobs": done.blobs,
                "bytes": done.size_bytes,
                "left_out": done.left_out,
                "lines": [
                    {"environment": line.environment, "pipeline": line.pipeline, "moved": line.moved}
                    for line in done.lines
                ],
            }
        )
    else:
        typer.echo(_text(done, source, target))


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, size_bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("copying results"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[size]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None, size="")
        yield lambda done, total, size_bytes: shown.update(
            task, completed=done, total=total, size=readable_size(size_bytes)
        )


_MOVED = {
    "created": "is current there now",
    "forwarded": "moved forward",
    "merged": "was merged: both sides had moved",
    "ahead": "is ahead there, and stays",
    "unchanged": "is the same on both sides",
    "left": "was left: nothing of it could be copied",
}


def _text(done: Transferred, source: Results, target: Results) -> str:
    lines = [
        f"Copied {done.copied:,} results ({done.blobs:,} data files, {readable_size(done.size_bytes)}) from "
        f"{source.store.name} to {target.store.name}; {done.present:,} were there.",
        *(f"{line.pipeline} in {line.environment} {_MOVED[line.moved]}." for line in done.lines),
        *(f"Left out: {sentence}" for sentence in done.left_out),
    ]
    return "\n".join(lines)

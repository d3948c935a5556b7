"""Progress of a run: a live tree on a terminal, one line for each step that ends elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from odibi_assets.execute.observer import shown_by
from odibi_assets.execute.progress import Progress
from odibi_assets.identify.identity import PipelineIdentity

_PHASES = frozenset({"running", "reading", "computing", "committing", "committed"})


class Lines(Progress):
    """A line for each step that ends, and for each attempt that is made again."""

    def __init__(self) -> None:
        self._ended: set[str] = set()

    def step(self, name: str, what: str, *, rows: int | None = None, why: str = "") -> None:
        if what in _PHASES or name in self._ended:  # Each output of a step says how it ended.
            return
        if what != "retrying":
            self._ended.add(name)
        print(f"{what:>9}  {name}{f'  {why}' if why else ''}", flush=True)


@contextlib.contextmanager
def progress(pipeline: PipelineIdentity, *, quiet: bool) -> Iterator[Progress]:
    """Show what happens to each step while a run goes on."""
    if quiet:
        yield Progress()
    elif sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _live(pipeline) as live:
            yield live
    else:
        yield Lines()


@contextlib.contextmanager
def _live(pipeline: PipelineIdentity) -> Iterator[Progress]:
    from rich.live import Live

    from odibi_assets.cli.live import LiveRun
    from odibi_assets.cli.screen import screen

    view = LiveRun(pipeline)
    with screen() as console:
        live = Live(
            view,
            console=console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with live, shown_by(view):
            yield view

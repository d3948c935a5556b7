"""Live progress: a tree of steps by layer on a terminal, one line per event elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from odibi_assets.identify.identity import PipelineIdentity
from odibi_assets.orchestrate.pipeline_run import Progress

_STYLES = {
    "running": "yellow",
    "computed": "green",
    "cached": "cyan",
    "failed": "red",
    "retrying": "yellow",
    "skipped": "dim",
}


@contextlib.contextmanager
def progress(pipeline: PipelineIdentity, *, quiet: bool) -> Iterator[Progress]:
    """Show what happens to each step while a run goes on."""
    if quiet:
        yield lambda name, what: None
    elif sys.stdout.isatty():
        with _live(pipeline) as live:
            yield live
    else:
        yield _line


def _line(name: str, what: str) -> None:
    if what != "running":
        print(f"{what:>9}  {name}", flush=True)


@contextlib.contextmanager
def _live(pipeline: PipelineIdentity) -> Iterator[Progress]:
    from rich.console import Console
    from rich.live import Live
    from rich.tree import Tree

    states: dict[str, str] = {}
    started: dict[str, float] = {}

    def tree() -> Tree:
        root = Tree(
            f"[bold]{pipeline.name}[/]  {sum(state in ('computed', 'cached') for state in states.values())} done"
        )
        for layer in pipeline.layers:
            branch = root.add(f"[bold]{layer}[/]")
            for step in pipeline.steps:
                if step.layer == layer:
                    state = states.get(step.name, "")
                    seconds = f"  {time.monotonic() - started[step.name]:.1f} s" if state == "running" else ""
                    style = _STYLES.get(state, "dim")
                    branch.add(f"{step.name}  [{style}]{state or 'waits'}[/]{seconds}")
        return root

    with Live(get_renderable=tree, console=Console(stderr=True), refresh_per_second=8, transient=True):

        def tell(name: str, what: str) -> None:
            states[name] = what
            if what == "running":
                started[name] = time.monotonic()

        yield tell

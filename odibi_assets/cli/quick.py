"""The answer to a plan, or to a run with nothing to do, before anything heavy is imported.

Where a witness holds, neither Dagster nor pandas nor the user's modules are needed, nor the
libraries of the command line itself (truth.md 5). Whatever is not answered here goes the full way.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class QuickCommand:
    """A command line of the simplest form."""

    command: str
    pipeline: str
    folder: str = "."
    as_json: bool = False
    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


def parse(arguments: list[str]) -> QuickCommand | None:
    """Read ``[-C DIR] run|plan PIPELINE [--select STEP] [--skip STEP] [--json]``; anything else is for the full
    command line.

    >>> parse(["-C", "shop", "run", "orders.yaml", "--skip", "totals"])
    QuickCommand(command='run', pipeline='orders.yaml', folder='shop', as_json=False, select=(), skip=('totals',))
    >>> parse(["run", "orders.yaml", "--force"]) is None
    True
    """
    folder, as_json = ".", False
    words: list[str] = []
    steps: dict[str, list[str]] = {"--select": [], "--skip": []}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "-C" and rest and not words:
            folder = rest.pop(0)
        elif word == "--json":
            as_json = True
        elif word in steps and rest and not rest[0].startswith("-"):
            steps[word].append(rest.pop(0))
        elif word.startswith("-"):
            return None
        else:
            words.append(word)
    if len(words) != 2 or words[0] not in ("run", "plan"):
        return None
    return QuickCommand(words[0], words[1], folder, as_json, tuple(steps["--select"]), tuple(steps["--skip"]))


def answer(arguments: list[str], started: float) -> int | None:
    """Answer if possible; returns the exit status, or None for the full way."""
    quick = parse(arguments)
    if quick is None:
        return None
    from odibi_assets.decide.plan import open_world
    from odibi_assets.decide.selection import select
    from odibi_assets.declare.overrides import Overrides
    from odibi_assets.declare.project import Project
    from odibi_assets.errors import OdibiAssetsError, ResultGone
    from odibi_assets.identify.url_digest import leave
    from odibi_assets.identify.witness import load_witness
    from odibi_assets.keep.effects import Effects
    from odibi_assets.orchestrate.deployment import bind_store_client

    try:
        project = Project.at(quick.folder)
        witness = load_witness(project, quick.pipeline, Overrides().to_json())
        if witness is None:
            return None
        bind_store_client(project)
        world = open_world(project, witness.identity.name, witness.identity.store, asks_urls=True)
        plan = world.plan(
            witness.identity,
            selected=select(witness.identity, quick.select) if quick.select else None,
            skip=select(witness.identity, quick.skip),
        )
        if Effects(world.results.store, project.environment, witness.identity.name).is_waiting:
            return None
    except OdibiAssetsError:
        return None  # the full way meets it again, and reports it

    from odibi_assets.cli.render import plan_text, run_text
    from odibi_assets.execute.report import plan_report, reuse_report, saved
    from odibi_assets.execute.reuse import copies_are_right, reuse

    if quick.command == "plan":
        world.files.save()
        report = plan_report(plan, witness.identity, project.environment)
        print(json.dumps(report.to_json() | {"imports": []}) if quick.as_json else plan_text(report))
        return 0
    if plan.to_run or not copies_are_right(plan, world):
        leave(world.urls, witness.identity.name)
        return None
    try:
        snapshot = reuse(plan, witness.identity, world, project)
    except ResultGone:
        return None
    seconds = time.perf_counter() - started
    report = reuse_report(plan, witness.identity, project.environment, seconds=seconds, snapshot=str(snapshot.id))
    print(json.dumps(report.to_json()) if quick.as_json else run_text(report, saved(report, plan, world.results)))
    return 0


def main() -> None:
    """The ``oda`` command."""
    started = time.perf_counter()
    status = answer(sys.argv[1:], started)
    if status is None:
        from odibi_assets.cli.app import run_app
        from odibi_assets.execute.time_limit import note_exit_status

        status = note_exit_status(run_app(sys.argv[1:]))
    sys.exit(status)

"""A run with nothing to do: what is reused becomes current, and nothing else happens."""

from __future__ import annotations

import functools

from odibi_assets.decide.plan import Plan, World, snapshots_of
from odibi_assets.declare.project import Project
from odibi_assets.execute.copies import Copies
from odibi_assets.identify.identity import PipelineIdentity
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.moves import queue_move
from odibi_assets.keep.result import Result
from odibi_assets.keep.snapshot import Snapshot


def reuse(plan: Plan, pipeline: PipelineIdentity, world: World, project: Project) -> Snapshot:
    """Publish the results of a plan without misses; Dagster is told by the next process that has it loaded.

    Raises:
        ResultGone: One was collected since the plan was made: plan again.
    """
    before = world.current
    at = world.now().isoformat(timespec="milliseconds")
    names = frozenset(pipeline.by_name)
    snapshot = snapshots_of(world, project, pipeline.name).publish(plan.hits, run_id=None, at=at, keep_only=names)
    copies = Copies(world)
    for decision in plan.decisions.values():
        if decision.result is not None:
            result = decision.result
            copies.refresh(decision.step, result, functools.partial(_stored, result, world))
    known = before.steps if before is not None else {}
    moved = {name: str(reference.version) for name, reference in plan.hits.items() if known.get(name) != reference}
    if moved:
        queue_move(world.results.store, project.environment, pipeline.name, moved, at=world.now())
    world.files.save()
    return snapshot


def _stored(result: Result, world: World, output: str) -> Kept:
    from odibi_assets.keep.formats.known import read_output

    return read_output(result.outputs[output], world.results)


def copies_are_right(plan: Plan, world: World) -> bool:
    """Does every copy of what is reused stand where it should?"""
    copies = Copies(world)
    return all(
        copies.are_right(decision.step, decision.result)
        for decision in plan.decisions.values()
        if decision.result is not None and (decision.step.places or decision.step.write)
    )

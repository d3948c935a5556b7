"""Accepting: a step's current result is taken over for the key that it has now, since a user knows that an edit
changed nothing.

Nothing is computed, so all rests on the user's word, and the record says whose. What can be known to be wrong is
refused: a result that was taken out of use, one that came out otherwise under the new key, one that never is reused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from odibi_assets.decide.decision import Decision
from odibi_assets.decide.plan import MISSING, Plan, World, snapshots_of
from odibi_assets.decide.reason import Reason, differences
from odibi_assets.declare.project import Project
from odibi_assets.errors import ResultGone, UsageError
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.identity import PipelineIdentity, StepIdentity
from odibi_assets.identify.key import Key
from odibi_assets.identify.observation import observed_now
from odibi_assets.keep.guard import rely_on, writing
from odibi_assets.keep.moves import queue_move
from odibi_assets.keep.result import Acceptance, Result
from odibi_assets.keep.results import blob_name


@dataclass(frozen=True)
class AcceptReport:
    """What was accepted, or would be.

    Attributes:
        key_before: The key of the result that is taken over.
        key: The key that it is taken over for.
        differences: What is not the same in the two keys, and in what the step was seen to read.
        accepted: None in a dry run.
        snapshot: What is current afterwards; None in a dry run.
    """

    pipeline: str
    environment: str
    step: str
    dry_run: bool
    key_before: str
    key: str
    version: str
    differences: tuple[Reason, ...]
    accepted: Acceptance | None = None
    snapshot: str | None = None


def accept(
    plan: Plan,
    step: str,
    pipeline: PipelineIdentity,
    world: World,
    project: Project,
    *,
    by: str,
    reason: str | None = None,
    dry_run: bool = False,
) -> AcceptReport:
    """Take a step's current result over for the key that it has now.

    Args:
        plan: Of the whole pipeline.
        by: The user.
        reason: As the user gives it, for the record.
        dry_run: Only say what differs.

    Raises:
        UsageError: It can't be accepted; the message says why.
        ResultGone: It was collected meanwhile.
    """
    decision = plan.decisions[step]
    before = _result_to_accept(plan, decision, world)
    assert decision.key is not None
    at = world.now()
    chain = (before.id, *(before.accepted.chain if before.accepted is not None else ()))
    trace = tuple(observed_now(seen, world.root, world.results.salt, world.env) for seen in before.trace)
    accepted = Acceptance(by, at.isoformat(timespec="milliseconds"), chain, reason)
    new = replace(before, pipeline=pipeline.name, key=decision.key, trace=trace, accepted=accepted)
    why_not = _why_not(new, before, decision.step, world)
    if why_not is not None:
        raise _refused(step, why_not)
    report = AcceptReport(
        pipeline.name,
        project.environment,
        step,
        dry_run,
        str(before.key.digest()),
        str(decision.key.digest()),
        str(new.version),
        tuple(_differences(before, decision.key, world)),
    )
    if dry_run:
        return report
    recorded = _recorded(new, world)
    # The snapshot counts as the work of the run before it: whether that was good does not change.
    run_id = world.current.run_id if world.current is not None else None
    snapshots = snapshots_of(world, project, pipeline.name)
    snapshot = snapshots.publish({step: recorded.reference}, run_id=run_id, at=accepted.at)
    queue_move(world.results.store, project.environment, pipeline.name, {step: str(recorded.version)}, at=at)
    return replace(report, accepted=recorded.accepted, snapshot=str(snapshot.id))


def _refused(step: str, why: str) -> UsageError:
    return UsageError(f"The result of step {step!r} can't be accepted: {why}.")


def _result_to_accept(plan: Plan, decision: Decision, world: World) -> Result:
    """
    Raises:
        UsageError: There is none, or something speaks against it.
    """
    step, results = decision.step, world.results
    if decision.action == "hit":
        raise _refused(step.name, f"it is a hit already ({decision.reason})")
    if decision.absence is not None:
        raise _refused(step.name, f"it does not run ({decision.reason})")
    if decision.action == "unknown":
        above = ", ".join(f"{name!r} ({plan.decisions[name].reason})" for name in plan.causes(step.name))
        raise _refused(step.name, f"above it will run first {above}; accept or run what is above, then this one")
    if step.obstacles:
        raise _refused(step.name, f"it {decision.reason}")
    before = world.previous(step.name)
    if before is None:
        raise _refused(step.name, "it has no current result; run it once")
    revocation = results.revocation(*before.id)
    if revocation is not None:
        raise _refused(step.name, f"{revocation}; run it")
    if results.is_nondeterministic(before):
        told = "its current result is nondeterministic: equal keys came out otherwise, so nobody can know it; run it"
        raise _refused(step.name, told)
    if not results.is_whole(before):
        raise _refused(step.name, "the stored data of its current result are missing or damaged; run it")
    return before


def _why_not(new: Result, before: Result, step: StepIdentity, world: World) -> str | None:
    """What would keep the next plan from reusing it, or is known to be wrong in it; None if nothing."""
    for item in new.key.files.values():
        if item.kind == MISSING:
            return str(item.shown)
    if _output_digests(new.key) != _output_digests(before.key):
        return "it declares other outputs than its current result has; run it"
    for other in world.results.of_key(new.key.digest()):
        if set(other.trace) == set(new.trace) and other.version != new.version:
            return (
                f"under this key it was computed before, in run {other.run_id}, and came out otherwise "
                f"(version {other.version.hex[:12]}, not {new.version.hex[:12]}); run it"
            )
        revocation = world.results.revocation(*other.id)
        if revocation is not None and other.version == new.version:
            return f"under this key {revocation}; run it"
    rejection = world.rejection(step, new)
    return "; ".join(map(str, rejection)) if rejection else None


def _output_digests(key: Key) -> dict[str, Digest]:
    return {name: item.digest for name, item in key.outputs.items()}


def _differences(before: Result, key: Key, world: World) -> Iterator[Reason]:
    yield from differences(before.key, key)
    for seen in before.trace:
        if not seen.holds(world.root, world.results.salt, world.env):
            yield Reason("trace", seen.describe())


def _recorded(new: Result, world: World) -> Result:
    """The result under its new key.

    Raises:
        ResultGone: It was collected, or taken out of use, since it was found.
    """
    assert new.accepted is not None
    results, step = world.results, new.key.step
    with writing(results.store):
        for blob in new.blobs:
            rely_on(results.store, blob_name(blob.digest))
        if not results.is_whole(new):
            raise ResultGone(f"The stored data of step {step!r} were collected meanwhile: run it.")
        recorded = results.commit(new, replace=True)
    if any(results.is_revoked(*origin) for origin in new.accepted.chain):
        results.revoke(*recorded.id, why="invalidated", at=new.accepted.at)
        raise ResultGone(f"The result of step {step!r} was taken out of use meanwhile: run it.")
    return recorded

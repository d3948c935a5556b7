"""Whether a step's result can be reused: a pure function of what is known, which returns data.

The first row that applies decides:

| known | action | reason |
|---|---|---|
| its condition is false | absent | absent |
| an input is absent, and it does not accept that | skipped | absent |
| a step that it waits for may still change | unknown | waits |
| a file that it declares is not there, or the URL that it reads does not answer | miss | files |
| it is forced | miss | forced |
| this run, or one that it re-executes, finished it under the same key | hit | finished |
| its code does what makes a result non-reusable | miss | obstacle |
| no result has this key | miss | first, revoked, or what differs from the previous key |
| of the results with this key: it did, as it ran, what makes it non-reusable | miss | obstacle |
| … it is older than its ``ttl``, or from the future | miss | expired |
| … what the step was seen to read is no longer so | miss | trace |
| … a stored file is missing | miss | damaged |
| none of these | hit | same, or accepted |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from odibi_assets.decide.reason import Reason, differences, sentence
from odibi_assets.identify.identity import StepIdentity
from odibi_assets.identify.key import Key
from odibi_assets.keep.result import Absent, Result

Action = Literal["hit", "miss", "unknown", "absent", "skipped"]


@dataclass(frozen=True)
class Candidate:
    """A stored result with the step's key, and what is known of it now."""

    result: Result
    is_whole: bool = True
    is_expired: bool = False
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """All that a decision rests on.

    Attributes:
        key: The step's key now; None while an input's version is open.
        waits_for: Steps above whose result may still change.
        missing: What is not there of the files that it declares, each as a sentence.
        candidates: Results with this key, newest first.
        finished: The result that this run, or one it re-executes, has for the step under this key.
        previous: The key of the result that is current.
        revoked: Why the newest result with this key was taken out of use, as a sentence.
        is_unwanted: Its condition is false.
        lacking: Inputs that are absent and must not be: step → ``absent`` or ``skipped``.
    """

    key: Key | None
    waits_for: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    forced: bool = False
    candidates: Sequence[Candidate] = ()
    finished: Result | None = None
    previous: Key | None = None
    revoked: str | None = None
    is_unwanted: bool = False
    lacking: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What a plan says of one step."""

    step: StepIdentity
    action: Action
    reasons: tuple[Reason, ...]
    key: Key | None = None
    result: Result | None = None
    replaces: bool = False

    @property
    def absence(self) -> Absent | None:
        """That the step has no result, if that is so and no failure."""
        is_absence = any(reason.kind == "absent" for reason in self.reasons)
        return Absent(self.action, self.reason) if is_absence else None

    @property
    def reason(self) -> str:
        return sentence(self.reasons)


def decide(step: StepIdentity, known: Known) -> Decision:
    """Decide on one step; see the table above."""
    if known.is_unwanted:
        return Decision(step, "absent", (Reason("absent", f"its condition is false: {step.when}"),))
    if known.lacking:
        return Decision(
            step,
            "skipped",
            tuple(Reason("absent", f"its input {name} is {outcome}") for name, outcome in known.lacking.items()),
        )
    if known.key is None or known.waits_for:
        names = ", ".join(known.waits_for)
        return Decision(step, "unknown", (Reason("waits", f"waits for {names}"),))
    if known.missing:
        return _miss(step, known, *(Reason("files", text) for text in known.missing))
    if known.forced:
        return _miss(step, known, Reason("forced", "forced"))
    if known.finished is not None:
        reason = Reason("finished", f"finished in run {known.finished.run_id[:8]}")
        return Decision(step, "hit", (reason,), known.key, known.finished)
    if step.obstacles:
        return _miss(step, known, *(Reason("obstacle", f"always runs: {o.text}", o.place) for o in step.obstacles))
    if not known.candidates:
        return _miss(step, known, *_why_new(known))
    rejections = [rejection(step, candidate) for candidate in known.candidates]
    for candidate, against in zip(known.candidates, rejections, strict=True):
        if against is None:
            accepted = candidate.result.accepted
            reason = Reason("same", "nothing changed") if accepted is None else Reason("accepted", str(accepted))
            return Decision(step, "hit", (reason,), known.key, candidate.result)
    return _miss(step, known, *(rejections[0] or ()))


def skipped(step: StepIdentity, text: str) -> Decision:
    """The decision on a step that is passed over, whatever is known of it."""
    return Decision(step, "skipped", (Reason("skipped", text),))


def _miss(step: StepIdentity, known: Known, *reasons: Reason) -> Decision:
    return Decision(step, "miss", reasons, known.key, replaces=bool(known.candidates))


def _why_new(known: Known) -> tuple[Reason, ...]:
    if known.previous is None or known.key is None:
        return (Reason("revoked", known.revoked) if known.revoked else Reason("first", "no result yet"),)
    gone = Reason("revoked", known.revoked) if known.revoked else Reason("first", "its result is gone from the store")
    return tuple(differences(known.previous, known.key)) or (gone,)


def rejection(step: StepIdentity, candidate: Candidate) -> tuple[Reason, ...] | None:
    """Why a result with the step's key can't be reused; None if it can."""
    hindering = [
        text for kind, text in candidate.result.obstacles if kind not in step.allow and "all" not in step.allow
    ]
    if hindering:
        return tuple(Reason("obstacle", f"always runs: {text}") for text in hindering)
    if candidate.is_expired:
        return (Reason("expired", "its result is older than its ttl, or from the future"),)
    if candidate.broken:
        return tuple(Reason("trace", text) for text in candidate.broken)
    if not candidate.is_whole:
        return (Reason("damaged", "its stored data are missing or damaged"),)
    return None

"""The truth table of `decide`, row by row."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from odibi_assets.decide import decision as module
from odibi_assets.decide.decision import Candidate, Known, decide
from odibi_assets.declare.condition import Condition
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.identity import StepIdentity
from odibi_assets.identify.item import Item, Obstacle
from odibi_assets.identify.key import Key
from odibi_assets.keep.result import Acceptance, Output, Result


def item(text: str) -> Item:
    return Item(Digest.of_struct("param", text), "param", shown=text)


KEY = Key("step", params={"limit": item("4")})
STEP = StepIdentity("step", "silver", "python", KEY)
OUTPUT = Output(Digest.of_struct("version", 1), "parquet", ())
RESULT = Result("pipe", KEY, {"result": OUTPUT}, "2026-01-01T00:00:00+00:00", "0123456789", 1.0)
OLDER = replace(RESULT, generation=2)
CLOCK = Obstacle("clock", "it reads the clock", "transforms.py:3")

ROWS = {
    "unwanted": (
        replace(STEP, when=Condition("params.year > 2012", {"year": 2010})),
        Known(None, waits_for=("orders",), is_unwanted=True),
        "absent",
        "its condition is false: params.year > 2012, with params.year = 2010",
    ),
    "an input is absent": (
        STEP,
        Known(None, lacking={"orders": "absent", "customers": "skipped"}),
        "skipped",
        "its input orders is absent; its input customers is skipped",
    ),
    "waits": (STEP, Known(None, waits_for=("orders", "customers")), "unknown", "waits for orders, customers"),
    "a file is not there": (STEP, Known(KEY, missing=("no file matches 'x'",)), "miss", "no file matches 'x'"),
    "forced": (STEP, Known(KEY, forced=True, candidates=(Candidate(RESULT),)), "miss", "forced"),
    "finished in the run": (
        replace(STEP, obstacles=(CLOCK,)),
        Known(KEY, finished=RESULT),
        "hit",
        "finished in run 01234567",
    ),
    "an obstacle in its code": (
        replace(STEP, obstacles=(CLOCK,)),
        Known(KEY, candidates=(Candidate(RESULT),)),
        "miss",
        "always runs: it reads the clock (transforms.py:3)",
    ),
    "the first time": (STEP, Known(KEY), "miss", "no result yet"),
    "another key than before": (
        STEP,
        Known(KEY, previous=Key("step", params={"limit": item("2")})),
        "miss",
        "param limit changed 2 → 4",
    ),
    "a result that was lost": (STEP, Known(KEY, previous=KEY), "miss", "its result is gone from the store"),
    "a result that was revoked": (
        STEP,
        Known(KEY, previous=KEY, revoked="its result was invalidated on 2013-01-31 12:00 UTC"),
        "miss",
        "its result was invalidated on 2013-01-31 12:00 UTC",
    ),
    "another key than before, whose result was revoked": (
        STEP,
        Known(KEY, previous=Key("step", params={"limit": item("2")}), revoked="its result was invalidated"),
        "miss",
        "param limit changed 2 → 4",
    ),
    "an obstacle as it ran": (
        STEP,
        Known(KEY, candidates=(Candidate(replace(RESULT, obstacles=(("network", "it opens a connection"),))),)),
        "miss",
        "always runs: it opens a connection",
    ),
    "an obstacle that is declared harmless": (
        replace(STEP, allow=("network",)),
        Known(KEY, candidates=(Candidate(replace(RESULT, obstacles=(("network", "it opens a connection"),))),)),
        "hit",
        "nothing changed",
    ),
    "expired": (
        STEP,
        Known(KEY, candidates=(Candidate(RESULT, is_expired=True),)),
        "miss",
        "its result is older than its ttl, or from the future",
    ),
    "a trace that does not hold": (
        STEP,
        Known(KEY, candidates=(Candidate(RESULT, broken=("x.txt, which the step opens, changed",)),)),
        "miss",
        "x.txt, which the step opens, changed",
    ),
    "a file of the result is missing": (
        STEP,
        Known(KEY, candidates=(Candidate(RESULT, is_whole=False),)),
        "miss",
        "its stored data are missing or damaged",
    ),
    "all holds": (STEP, Known(KEY, candidates=(Candidate(RESULT),)), "hit", "nothing changed"),
    "all holds, and a user accepted it": (
        STEP,
        Known(
            KEY,
            candidates=(
                Candidate(
                    replace(RESULT, accepted=Acceptance("ann@laptop", "2013-01-31T12:00:00.000+00:00", (), "a name"))
                ),
            ),
        ),
        "hit",
        "accepted by ann@laptop on 2013-01-31 12:00 UTC: a name",
    ),
    "an earlier generation holds": (
        STEP,
        Known(KEY, candidates=(Candidate(OLDER, broken=("x",)), Candidate(RESULT))),
        "hit",
        "nothing changed",
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_first_row_that_applies_decides(row: str) -> None:
    step, known, action, reason = ROWS[row]
    decision = decide(step, known)
    assert (decision.action, decision.reason) == (action, reason)
    assert (decision.result is not None) == (action == "hit")


def test_a_miss_beside_a_result_asks_for_a_new_generation() -> None:
    assert decide(STEP, Known(KEY, candidates=(Candidate(RESULT, broken=("x",)),))).replaces
    assert not decide(STEP, Known(KEY)).replaces


def test_the_generation_that_holds_is_the_one_that_is_reused() -> None:
    decision = decide(STEP, Known(KEY, candidates=(Candidate(OLDER, broken=("x",)), Candidate(RESULT))))
    assert decision.result is RESULT


def test_every_row_of_the_table_is_tried() -> None:
    rows = re.findall(r"^\| (?!known|---)(.+?) \| (\w+) \| (.+?) \|$", module.__doc__ or "", re.MULTILINE)
    assert len(rows) >= 11
    decisions = [decide(step, known) for step, known, _, _ in ROWS.values()]
    tried = {(decision.action, reason.kind) for decision in decisions for reason in decision.reasons}
    assert {(action, reason.split(",")[0]) for _, action, reason in rows} <= tried


def test_a_row_decides_before_all_that_follow_it() -> None:
    step = replace(STEP, obstacles=(CLOCK,))
    hindered = replace(RESULT, obstacles=(("network", "it opens a connection"),))
    worst = Candidate(hindered, is_whole=False, is_expired=True, broken=("x",))
    known = Known(KEY, ("orders",), ("no file",), forced=True, candidates=(worst,), finished=RESULT, previous=KEY)
    known = replace(known, is_unwanted=True, lacking={"orders": "absent"})
    in_turn = [
        (known, replace(step, when=Condition("false")), "absent"),
        (known := replace(known, is_unwanted=False), step, "absent"),
        (known := replace(known, lacking={}), step, "waits"),
        (known := replace(known, waits_for=()), step, "files"),
        (known := replace(known, missing=()), step, "forced"),
        (known := replace(known, forced=False), step, "finished"),
        (known := replace(known, finished=None), step, "obstacle"),
        (known, STEP, "obstacle"),
        (known := replace(known, candidates=(replace(worst, result=RESULT),)), STEP, "expired"),
        (known := replace(known, candidates=(Candidate(RESULT, is_whole=False, broken=("x",)),)), STEP, "trace"),
        (known := replace(known, candidates=(Candidate(RESULT, is_whole=False),)), STEP, "damaged"),
        (known := replace(known, candidates=(Candidate(RESULT),)), STEP, "same"),
        (replace(known, candidates=()), STEP, "first"),
    ]
    assert [decide(step, known).reasons[0].kind for known, step, _ in in_turn] == [kind for _, _, kind in in_turn]


def test_the_reason_is_that_of_the_newest_result() -> None:
    candidates = (Candidate(OLDER, broken=("newest",)), Candidate(RESULT, is_expired=True))
    assert decide(STEP, Known(KEY, candidates=candidates)).reason == "newest"


def test_everything_is_harmless_where_all_is_allowed() -> None:
    hindered = replace(RESULT, obstacles=(("network", "it opens a connection"), ("clock", "it reads the clock")))
    assert decide(replace(STEP, allow=("all",)), Known(KEY, candidates=(Candidate(hindered),))).action == "hit"
    assert decide(replace(STEP, allow=("network",)), Known(KEY, candidates=(Candidate(hindered),))).action == "miss"

"""A plan decides on every step before anything runs, from the store, the files, the variables and the clock."""

from __future__ import annotations

import datetime
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kept import AT, computed, item_of, load, table

from odibi_assets.decide.plan import Plan, World
from odibi_assets.declare.input import Input
from odibi_assets.errors import UsageError
from odibi_assets.execute.commit import commit
from odibi_assets.identify.file_digest import FileDigests
from odibi_assets.identify.identity import PipelineIdentity, StepIdentity
from odibi_assets.identify.item import Obstacle
from odibi_assets.identify.key import Key
from odibi_assets.identify.observation import Observation, path_state, variable_state
from odibi_assets.keep.formats.frame import settle
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.result import Result, ResultReference
from odibi_assets.keep.results import open_results
from odibi_assets.keep.snapshot import Snapshots

NOW = datetime.datetime.fromisoformat(AT) + datetime.timedelta(hours=1)


def step(name: str, *upstream: str, code: str = "1", **more: Any) -> StepIdentity:
    fields: dict[str, Any] = {
        "bindings": {above: Input(above) for above in upstream},
        "handed_as": dict.fromkeys(upstream, "pandas.DataFrame"),
        "upstream": upstream,
        **more,
    }
    return StepIdentity(name, "silver", fields.pop("kind", "python"), Key(name, code={name: item_of(code)}), **fields)


def pipeline(*steps: StepIdentity) -> PipelineIdentity:
    return PipelineIdentity("flights", ("silver",), steps)


RAW, CLEAN, REPORT, OTHER = step("raw"), step("clean", "raw"), step("report", "clean"), step("other")
PIPELINE = pipeline(RAW, CLEAN, REPORT, OTHER)


class Place:
    """A project folder with a store, in which steps are "run" by committing a frame under the planned key."""

    def __init__(self, root: Path) -> None:
        self.root = root / "project"
        self.root.mkdir()
        self.results = open_results(root / "store")
        self.snapshots = Snapshots(self.results.store, "default", "flights")
        self.env: dict[str, str] = {}
        self.now = NOW

    @property
    def world(self) -> World:
        return World(
            self.root,
            self.results,
            self.env,
            FileDigests(),
            self.root / ".oda/local",
            self.snapshots.current(),
            lambda: self.now,
        )

    def plan(self, pipeline: PipelineIdentity = PIPELINE, **more: Any) -> Plan:
        return self.world.plan(pipeline, **more)

    def actions(self, pipeline: PipelineIdentity = PIPELINE, **more: Any) -> dict[str, str]:
        return {name: decision.action for name, decision in self.plan(pipeline, **more).decisions.items()}

    def reason(self, step: StepIdentity) -> str:
        return self.plan(pipeline(step)).decisions[step.name].reason

    def run(self, pipeline: PipelineIdentity = PIPELINE, *, publish: bool = True, **more: Any) -> dict[str, Result]:
        """Decide, commit and publish step by step, as a run does."""
        references: dict[str, ResultReference | None] = {}
        found: dict[str, Result] = {}
        for step in pipeline.steps:
            decision = self.world.decide(step, references)
            if decision.result is None:
                assert decision.key is not None
                data = table(f"{step.name} of {decision.key.digest().hex}")
                found[step.name] = commit(
                    computed(decision.key, data, replaces=decision.replaces, **more), self.results
                )
            else:
                found[step.name] = decision.result
            references[step.name] = found[step.name].reference
        if publish:
            self.snapshots.publish({name: r.reference for name, r in found.items()}, run_id="run-1", at=AT)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# Steps in a row.


def test_what_lies_below_a_miss_is_unknown_and_waits_for_it(place: Place) -> None:
    plan = place.plan()
    assert {name: decision.action for name, decision in plan.decisions.items()} == {
        "raw": "miss", "clean": "unknown", "report": "unknown", "other": "miss"
    }  # fmt: skip
    assert plan.decisions["clean"].reason == "waits for raw"
    assert plan.decisions["raw"].reason == "no result yet"
    assert plan.to_run == ("raw", "clean", "report", "other")
    assert plan.hits == {}


def test_after_a_run_everything_is_a_hit_with_the_result_that_was_made(place: Place) -> None:
    made = place.run()
    plan = place.plan()
    assert plan.to_run == ()
    assert plan.hits == {name: result.reference for name, result in made.items()}
    assert {decision.reason for decision in plan.decisions.values()} == {"nothing changed"}


def test_hits_need_no_publication(place: Place) -> None:
    place.run(publish=False)
    assert set(place.actions().values()) == {"hit"}


def test_a_plan_writes_nothing(place: Place) -> None:
    place.run()
    before = sorted(place.results.store.list("results")) + sorted(place.results.store.list("snapshots"))
    place.plan(pipeline(replace(RAW, key=Key("raw", code={"raw": item_of("2")})), CLEAN), forced=["clean"])
    assert sorted(place.results.store.list("results")) + sorted(place.results.store.list("snapshots")) == before


def test_a_change_in_the_middle_leaves_what_lies_above_and_beside_it(place: Place) -> None:
    place.run()
    changed = pipeline(RAW, step("clean", "raw", code="2"), REPORT, OTHER)
    assert place.actions(changed) == {"raw": "hit", "clean": "miss", "report": "unknown", "other": "hit"}
    assert place.plan(changed).decisions["clean"].reason == "param clean changed 1 → 2"


def test_a_step_that_gives_the_same_again_leaves_what_lies_below_a_hit(place: Place) -> None:
    made = place.run()
    changed = step("clean", "raw", code="2")
    decision = place.world.decide(changed, {"raw": made["raw"].reference})
    assert decision.key is not None
    again = commit(
        replace(computed(decision.key, table("x")), outputs={"result": _frame_of(place, made["clean"])}), place.results
    )
    assert again.output.version == made["clean"].output.version
    assert place.actions(pipeline(RAW, changed, REPORT, OTHER)) == dict.fromkeys(
        ("raw", "clean", "report", "other"), "hit"
    )


def _frame_of(place: Place, result: Result) -> Kept:
    return settle(load(place.results, result), shared=False)


def test_going_back_to_earlier_code_is_a_hit(place: Place) -> None:
    first = place.run()
    place.run(pipeline(RAW, step("clean", "raw", code="2"), REPORT, OTHER))
    assert place.plan().hits == {name: result.reference for name, result in first.items()}


def test_the_type_in_which_an_input_is_handed_over_counts(place: Place) -> None:
    place.run()
    as_arrow = replace(CLEAN, handed_as={"raw": "pyarrow.Table"})
    assert place.actions(pipeline(RAW, as_arrow, REPORT, OTHER))["clean"] == "miss"


def test_an_input_of_which_nobody_takes_data_only_orders(place: Place) -> None:
    after = step("after", upstream=("raw",))
    place.run(pipeline(RAW, after))
    changed = pipeline(step("raw", code="2"), after)
    assert place.actions(changed) == {"raw": "miss", "after": "unknown"}
    place.run(pipeline(step("raw", code="2")))
    assert place.actions(changed) == {"raw": "hit", "after": "hit"}


def test_the_reason_for_another_input_names_its_columns_and_rows(place: Place) -> None:
    place.run()
    place.run(pipeline(step("raw", code="2")))
    decision = place.plan(pipeline(step("raw", code="2"), CLEAN)).decisions["clean"]
    assert (decision.action, decision.reason) == ("miss", "input raw changed: column n")


# Selections, forcing, resuming.


def test_a_step_that_is_not_selected_gives_its_current_result(place: Place) -> None:
    made = place.run()
    changed = pipeline(step("raw", code="2"), CLEAN, REPORT, OTHER)
    plan = place.plan(changed, selected=["clean"])
    assert set(plan.decisions) == {"clean"}
    assert plan.hits == {"clean": made["clean"].reference}


def test_a_selected_step_whose_input_has_no_current_result_is_a_usage_error(place: Place) -> None:
    with pytest.raises(UsageError, match="'clean' needs 'raw', which is not selected"):
        place.plan(selected=["clean"])


def test_a_forced_step_runs_and_what_lies_below_it_is_unknown(place: Place) -> None:
    place.run()
    plan = place.plan(forced=["clean"])
    assert {name: decision.action for name, decision in plan.decisions.items()} == {
        "raw": "hit", "clean": "miss", "report": "unknown", "other": "hit"
    }  # fmt: skip
    assert plan.decisions["clean"].reason == "forced"
    assert plan.decisions["clean"].replaces


def test_what_the_run_before_finished_is_kept_though_it_always_runs(place: Place) -> None:
    always = replace(RAW, obstacles=(Obstacle("clock", "it reads the clock"),))
    made = place.run(pipeline(always))["raw"].reference
    assert place.actions(pipeline(always)) == {"raw": "miss"}
    assert place.actions(pipeline(always), finished={"raw": made}) == {"raw": "hit"}


@pytest.mark.parametrize("lost", ["key", "blob", "record", "revoked"])
def test_what_the_run_before_finished_counts_only_under_its_key_and_whole(place: Place, lost: str) -> None:
    always = replace(RAW, obstacles=(Obstacle("clock", "it reads the clock"),))
    result = place.run(pipeline(always))["raw"]
    digest, blob = result.key.digest(), result.output.blobs[0].digest.hex
    if lost == "key":
        always = replace(always, key=Key("raw", code={"raw": item_of("2")}))
    elif lost == "blob":
        place.results.store.delete(f"blobs/{blob[:2]}/{blob}")
    elif lost == "record":
        place.results.store.delete(f"results/{digest.hex[:2]}/{digest.hex}/1")
    else:
        place.results.revoke(digest, 1, why="invalidated", at=AT)
    assert place.actions(pipeline(always), finished={"raw": result.reference}) == {"raw": "miss"}


# What the store lost.


def test_a_missing_blob_is_a_miss_that_asks_for_a_new_generation(place: Place) -> None:
    blob = place.run()["clean"].output.blobs[0].digest.hex
    place.results.store.delete(f"blobs/{blob[:2]}/{blob}")
    decision = place.plan().decisions["clean"]
    assert (decision.action, decision.reason) == ("miss", "its stored data are missing or damaged")
    assert decision.replaces


@pytest.mark.parametrize("damage", ["deleted", "garbage", "revoked"])
def test_a_lost_record_is_a_miss(place: Place, damage: str) -> None:
    digest = place.run()["clean"].key.digest()
    if damage == "revoked":
        place.results.revoke(digest, 1, why="invalidated", at=AT)
    elif damage == "deleted":
        place.results.store.delete(f"results/{digest.hex[:2]}/{digest.hex}/1")
    else:
        place.results.store.put(f"results/{digest.hex[:2]}/{digest.hex}/1", b"{")
    assert place.actions() == {"raw": "hit", "clean": "miss", "report": "unknown", "other": "hit"}


def test_a_revoked_result_that_is_current_says_why_and_when(place: Place) -> None:
    place.results.revoke(place.run()["clean"].key.digest(), 1, why="invalidated", at=AT)
    assert place.plan().decisions["clean"].reason == "its result was invalidated on 2013-01-31 12:00 UTC"


# The clock.


@pytest.mark.parametrize(
    ("ttl_s", "age", "action"),
    [
        (3600, datetime.timedelta(seconds=3599), "hit"),
        (3600, datetime.timedelta(seconds=3600), "miss"),
        (3600, datetime.timedelta(minutes=-6), "miss"),
        (None, datetime.timedelta(days=10_000), "hit"),
    ],
    ids=["younger than its ttl", "as old as its ttl", "from the future", "old without a ttl"],
)
def test_a_ttl_is_measured_from_when_the_result_was_made(
    place: Place, ttl_s: float | None, age: datetime.timedelta, action: str
) -> None:
    timed = replace(OTHER, ttl_s=ttl_s)
    place.run(pipeline(timed))
    place.now = datetime.datetime.fromisoformat(AT) + age
    assert place.actions(pipeline(timed)) == {"other": action}


def test_today_counts_for_a_step_that_takes_the_date(place: Place) -> None:
    dated = replace(OTHER, takes_date=True)
    place.run(pipeline(dated, RAW))
    place.now = NOW + datetime.timedelta(hours=10)
    assert place.actions(pipeline(dated, RAW)) == {"other": "hit", "raw": "hit"}
    place.now = NOW + datetime.timedelta(hours=11)
    assert place.actions(pipeline(dated, RAW)) == {"other": "miss", "raw": "hit"}
    assert place.reason(dated) == "date changed 2013-01-31 → 2013-02-01"


# Files and variables.


def test_a_declared_file_counts_by_name_and_content(place: Place) -> None:
    (place.root / "a.json").write_text("1")
    reading = replace(OTHER, reads=("*.json",))
    place.run(pipeline(reading))
    assert place.actions(pipeline(reading)) == {"other": "hit"}
    os.utime(place.root / "a.json", (1, 1))
    assert place.actions(pipeline(reading)) == {"other": "hit"}
    (place.root / "a.json").write_text("2")
    assert place.reason(reading) == "file a.json changed"
    (place.root / "a.json").write_text("1")
    assert place.actions(pipeline(reading)) == {"other": "hit"}
    (place.root / "b.json").write_text("1")
    assert place.reason(reading) == "file b.json is new"
    (place.root / "a.json").unlink()
    assert place.reason(reading) == "file b.json is new; file a.json is gone"


def test_for_a_reader_the_order_of_files_counts_and_their_names_do_not(place: Place) -> None:
    reading = step("raw", kind="read", reads=("*.csv",))
    (place.root / "1.csv").write_text("a\n1\n")
    (place.root / "2.csv").write_text("a\n2\n")
    place.run(pipeline(reading))
    (place.root / "2.csv").rename(place.root / "3.csv")
    assert place.actions(pipeline(reading)) == {"raw": "hit"}
    (place.root / "3.csv").rename(place.root / "0.csv")
    assert place.actions(pipeline(reading)) == {"raw": "miss"}


def test_a_declared_file_that_is_not_there_is_a_miss_that_names_it_even_after_a_run(place: Place) -> None:
    reading = replace(OTHER, reads=("gone/*.json",))
    place.run(pipeline(reading))
    decision = place.plan(pipeline(reading)).decisions["other"]
    assert decision.action == "miss"
    assert "gone/*.json" in decision.reason


def test_a_declared_variable_counts_by_its_value_which_no_record_shows(place: Place) -> None:
    declared = replace(OTHER, env=("REGION",))
    place.run(pipeline(declared))
    place.env["REGION"] = "a very secret region"
    assert place.actions(pipeline(declared)) == {"other": "miss"}
    place.run(pipeline(declared))
    assert place.actions(pipeline(declared)) == {"other": "hit"}
    place.env["REGION"] = ""
    assert place.reason(declared) == "environment variable REGION changed"
    del place.env["REGION"]
    assert place.actions(pipeline(declared)) == {"other": "hit"}
    for name in place.results.store.list("results"):
        assert b"secret region" not in (place.results.store.get(name) or b"")


def test_a_hit_needs_everything_that_was_seen_to_hold(place: Place) -> None:
    (place.root / "seen.txt").write_text("1")
    (place.root / "folder").mkdir()
    place.env["SEEN"] = "1"
    trace = (
        Observation("file", "seen.txt", path_state("file", place.root / "seen.txt")),
        Observation("folder", "folder", path_state("folder", place.root / "folder")),
        Observation("missing", "sought.txt", None),
        Observation("variable", "SEEN", variable_state("SEEN", place.results.salt, place.env)),
    )
    place.run(pipeline(OTHER), trace=trace)
    assert place.actions(pipeline(OTHER)) == {"other": "hit"}
    (place.root / "sought.txt").write_text("")
    assert place.reason(OTHER) == "sought.txt, which the step looks for, exists now"
    (place.root / "sought.txt").unlink()
    (place.root / "seen.txt").write_text("2")
    assert place.reason(OTHER) == "seen.txt, which the step opens, changed"
    (place.root / "seen.txt").write_text("1")
    (place.root / "folder" / "new").write_text("")
    assert place.reason(OTHER) == "the listing of folder, which the step reads, changed"
    (place.root / "folder" / "new").unlink()
    place.env["SEEN"] = "2"
    assert place.reason(OTHER) == "the environment variable SEEN, which the step reads, changed"
    place.env["SEEN"] = "1"
    assert place.actions(pipeline(OTHER)) == {"other": "hit"}


def test_each_world_that_was_seen_has_its_result(place: Place) -> None:
    seen = place.root / "seen.txt"
    made = {}
    for text in ("1", "2"):
        seen.write_text(text)
        trace = (Observation("file", "seen.txt", path_state("file", seen)),)
        made[text] = place.run(pipeline(OTHER), trace=trace)["other"].reference
    for text in ("1", "2", "1"):
        seen.write_text(text)
        assert place.plan(pipeline(OTHER)).hits == {"other": made[text]}
    seen.write_text("3")
    assert place.actions(pipeline(OTHER)) == {"other": "miss"}


def test_what_a_step_did_as_it_ran_hinders_until_it_is_declared_harmless(place: Place) -> None:
    place.run(pipeline(OTHER), obstacles=(("network", "it opens a network connection"),))
    assert place.reason(OTHER) == "always runs: it opens a network connection"
    assert place.actions(pipeline(replace(OTHER, allow=("clock",)))) == {"other": "miss"}
    assert place.actions(pipeline(replace(OTHER, allow=("network",)))) == {"other": "hit"}

"""The records of runs: what was planned, what became of each step, who re-executed whom."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odibi_assets.identify.digest import Digest
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.process import may_be_alive, this_process
from odibi_assets.keep.result import ResultReference
from odibi_assets.keep.run_record import RunEnd, Runs, RunStart, StepRecord

HIT = ResultReference(Digest.of_struct("key", 1), 1, Digest.of_struct("version", 1), 10)


def start(
    run_id: str, parent: str | None = None, *, at: str = "2026-01-01T00:00:00+00:00", **changes: object
) -> RunStart:
    fields: dict[str, object] = {"hits": {}, "process": "", **changes}
    return RunStart(
        run_id,
        "root",
        parent,
        "pipe",
        "default",
        "store",
        at,
        {"a": "bronze", "b": "gold"},
        **fields,  # type: ignore[arg-type]
    )


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(FolderStore(tmp_path))


def test_the_plan_of_a_run_is_recorded_once(runs: Runs) -> None:
    first = runs.begin(start("root", hits={"a": HIT}))
    assert runs.begin(start("root")) == first
    assert first.hits == {"a": HIT}


def test_a_later_attempt_takes_the_place_of_an_earlier_one(runs: Runs) -> None:
    runs.begin(start("root"))
    runs.note("root", "root", StepRecord("a", "failed", 1.0, 1, error="ConnectionError"))
    runs.note("root", "root", StepRecord("a", "computed", 1.0, 2, reference=HIT))
    record = runs.record("root", "root", "a")
    assert record is not None
    assert (record.outcome, record.attempts) == ("computed", 2)


def test_the_status_follows_from_the_records_until_the_end_is_recorded(runs: Runs) -> None:
    def status() -> str | None:
        run = runs.get("root", "root")
        assert run is not None
        return run.status

    runs.begin(start("root", hits={"b": HIT}))
    assert status() is None
    runs.note("root", "root", StepRecord("a", "computed", 1.0, 1, reference=HIT))
    assert status() == "success"
    runs.note("root", "root", StepRecord("a", "failed", 1.0, 1, error="x"))
    assert status() == "failed"
    runs.finish("root", "root", RunEnd("canceled", 1.0))
    assert status() == "canceled"


def test_a_chain_leads_from_a_run_to_those_it_re_executes(runs: Runs) -> None:
    runs.begin(start("root"))
    runs.begin(start("second", "root"))
    runs.begin(start("third", "second"))
    assert [run.start.run_id for run in runs.chain("root", "third")] == ["third", "second", "root"]


def test_a_run_is_found_by_the_beginning_of_its_id_if_that_is_unique(runs: Runs) -> None:
    runs.begin(start("abcd-1"))
    runs.begin(start("abef-2"))
    found = runs.find("abc")
    assert found is not None
    assert found.start.run_id == "abcd-1"
    assert runs.find("ab") is None
    assert runs.find("zz") is None


def test_runs_are_listed_newest_first_for_one_pipeline_and_environment(runs: Runs) -> None:
    runs.begin(start("old", at="2026-01-01T00:00:00+00:00"))
    runs.begin(start("new", at="2026-01-02T00:00:00+00:00"))
    assert [run.start.run_id for run in runs.of_pipeline("pipe", "default")] == ["new", "old"]
    assert runs.of_pipeline("pipe", "prod") == []
    assert runs.of_pipeline("other", "default") == []


def test_an_unreadable_record_counts_as_none(runs: Runs, tmp_path: Path) -> None:
    runs.begin(start("root"))
    runs.note("root", "root", StepRecord("a", "computed", 1.0, 1, reference=HIT))
    (tmp_path / "runs" / "root" / "root" / "steps" / "a").write_bytes(b"{")
    assert runs.record("root", "root", "a") is None


def test_a_run_is_running_while_the_process_that_began_it_is_there(runs: Runs) -> None:
    runs.begin(start("root", process=this_process()))
    run = runs.get("root", "root")
    assert run is not None
    assert run.is_running
    runs.finish("root", "root", RunEnd("success", 1.0))
    ended = runs.get("root", "root")
    assert ended is not None
    assert not ended.is_running


def test_a_process_that_ended_or_whose_id_is_anothers_now_is_not_alive() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    host, own, started = this_process().split("/")
    assert may_be_alive(f"{host}/{own}/{started}")
    assert not may_be_alive(f"{host}/{pid}/{started}")
    assert not may_be_alive(f"{host}/{own}/1")
    assert not may_be_alive(f"elsewhere/{own}/{started}")
    assert not may_be_alive("")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"v":1}', b'{"v":2}', b'{"v":1,"steps":7,"hits":[]}'], ids=range(6)
)
@pytest.mark.parametrize("name", ["start", "end", "steps/a"])
def test_any_damage_to_a_record_leaves_the_others_readable(runs: Runs, tmp_path: Path, name: str, data: bytes) -> None:
    for run_id in ("root", "second"):
        runs.begin(start(run_id))
        runs.note("root", run_id, StepRecord("a", "computed", 1.0, 1, reference=HIT))
        runs.note("root", run_id, StepRecord("b", "computed", 1.0, 1, reference=HIT))
        runs.finish("root", run_id, RunEnd("success", 1.0))
    (tmp_path / "runs" / "root" / "root" / name).write_bytes(data)
    damaged, sound = runs.get("root", "root"), runs.get("root", "second")
    assert sound is not None
    assert (sound.status, set(sound.records)) == ("success", {"a", "b"})
    assert "second" in {run.start.run_id for run in runs.of_pipeline("pipe", "default")}
    if name == "start":
        assert damaged is None
    else:
        assert damaged is not None
        assert set(damaged.records) == ({"b"} if name == "steps/a" else {"a", "b"})
        assert (damaged.end is None) == (name == "end")


def test_a_record_gives_back_everything(runs: Runs) -> None:
    begun = runs.begin(start("root", "parent", hits={"a": HIT}, overrides={"b.limit": 3}))
    assert runs.start("root", "root") == begun == start("root", "parent", hits={"a": HIT}, overrides={"b.limit": 3})
    for record in (
        StepRecord("a", "computed", 1.5, 2, "no result yet", reference=HIT),
        StepRecord("b", "failed", 0.1, 3, error="ValueError: ü"),
    ):
        runs.note("root", "root", record)
        assert runs.record("root", "root", record.step) == record
    runs.finish("root", "root", RunEnd("failed", 2.0, "b3:x"))
    run = runs.get("root", "root")
    assert run is not None
    assert run.end == RunEnd("failed", 2.0, "b3:x")
    assert run.finished == {"a": HIT}


def test_a_chain_that_leads_in_a_circle_ends(runs: Runs) -> None:
    runs.begin(start("one", "two"))
    runs.begin(start("two", "one"))
    assert [run.start.run_id for run in runs.chain("root", "one")] == ["one", "two"]


def test_a_run_with_the_whole_id_is_found_though_another_begins_with_it(runs: Runs) -> None:
    runs.begin(start("ab"))
    runs.begin(start("abc"))
    found = runs.find("ab")
    assert found is not None
    assert found.start.run_id == "ab"

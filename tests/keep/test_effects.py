"""The journal of side effects: written before, claimed once, nothing lost however far a write came."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from killed import die_at, in_fork

from odibi_assets.identify.digest import Digest
from odibi_assets.keep.effects import Effects, RunEffects
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.run_record import Undone

NOW = datetime.datetime(2013, 1, 31, tzinfo=datetime.UTC)
KEY = Digest.of_bytes(b"key")


@pytest.fixture
def journal(tmp_path: Path) -> RunEffects:
    return Effects(FolderStore(tmp_path), "default", "shop").of_run("root", "run")


def test_what_did_not_end_comes_first_then_what_ended_last(journal: RunEffects) -> None:
    for minute, step in enumerate(["first", "second", "third", "open"]):
        journal.begin(step, "undo:undo", KEY, at=f"2013-01-31T12:0{minute}")
    for minute, step in enumerate(["second", "third", "first"]):
        journal.done(step, at=f"2013-01-31T12:1{minute}")
    assert [effect.step for effect in journal.all()] == ["open", "first", "third", "second"]
    assert journal.all()[0].done_at is None


def test_another_attempt_keeps_the_first_beginning_and_adds_its_key(journal: RunEffects) -> None:
    other = Digest.of_bytes(b"other")
    journal.begin("step", "undo:undo", KEY, at="2013-01-31T12:00")
    journal.done("step", at="2013-01-31T12:01")
    journal.begin("step", "undo:undo", other, at="2013-01-31T12:02")
    [effect] = journal.all()
    assert (effect.keys, effect.begun_at, effect.done_at) == ((KEY, other), "2013-01-31T12:00", None)


def test_an_undo_is_claimed_once_and_again_when_that_came_to_no_end(journal: RunEffects) -> None:
    journal.begin("step", "undo:undo", KEY, at="2013-01-31T12:00")
    [effect] = journal.all()
    assert journal.start_undo(effect)
    assert not journal.start_undo(effect)
    [again] = journal.all()
    assert again.starts == 1
    assert journal.start_undo(again)


def test_a_run_is_claimed_by_one_process_that_lives(journal: RunEffects) -> None:
    assert journal.claim(at=NOW.isoformat(), now=NOW) is not None
    assert journal.claim(at=NOW.isoformat(), now=NOW) is None


def test_the_claim_of_a_dead_process_is_taken_over(journal: RunEffects) -> None:
    assert in_fork(lambda: journal.claim(at=NOW.isoformat(), now=NOW)) == 0
    assert journal.claim(at=NOW.isoformat(), now=NOW) is not None


def test_what_raised_can_be_asked_for_again_and_what_is_undone_is_forgotten(journal: RunEffects) -> None:
    journal.want_undone()
    for step in ("fine", "raised"):
        journal.begin(step, "undo:undo", KEY, at="2013-01-31T12:00")
        journal.done(step, at="2013-01-31T12:01")
    journal.note_undone(Undone("fine", "done"))
    journal.note_undone(Undone("raised", "done", "ValueError: no"))
    journal.settle()
    [left] = journal.all()
    assert (left.step, left.done_at, left.undone) == ("raised", None, None)
    assert not list(Effects(journal.store, "default", "shop").wanted())


def test_a_damaged_entry_still_says_that_something_began(journal: RunEffects, tmp_path: Path) -> None:
    journal.begin("step", "undo:undo", KEY, at="2013-01-31T12:00")
    (tmp_path / journal.folder / "steps/step/begun").write_text("{")
    [effect] = journal.all()
    assert effect.step == "step"
    assert effect.keys == ()


@pytest.mark.parametrize("number", range(1, 12))
def test_a_journal_that_is_killed_while_it_settles_is_settled_by_the_next(journal: RunEffects, number: int) -> None:
    journal.want_undone()
    journal.begin("step", "undo:undo", KEY, at="2013-01-31T12:00")
    journal.done("step", at="2013-01-31T12:01")
    journal.start_undo(journal.all()[0])
    journal.note_undone(Undone("step", "done"))

    def dies() -> None:
        die_at(number, "unlink", "rename", "replace")
        journal.settle()

    in_fork(dies)
    effects = Effects(journal.store, "default", "shop")
    assert all(effect.undone is not None for effect in journal.all())
    if effects.is_waiting:
        journal.settle()
    assert not effects.is_waiting
    assert journal.all() == []

"""Push and pull: only what is missing, verified on arrival, forward only, and whole wherever it is stopped."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kept import computed, key, line, load, store, table
from killed import die_at, in_fork

from odibi_assets.errors import UsageError
from odibi_assets.execute.commit import commit
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import Key
from odibi_assets.identify.observation import Observation, variable_state
from odibi_assets.keep.result import Acceptance, Result
from odibi_assets.keep.results import Results, open_results
from odibi_assets.keep.snapshot import Snapshot
from odibi_assets.keep.transfer import Transferred, rests_on_salt, transfer

AT = "2026-01-01T00:00:00.000+00:00"


@pytest.fixture
def here(tmp_path: Path) -> Results:
    return open_results(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Results:
    return open_results(tmp_path / "there")


def publish(results: Results, *made: Result, at: str = AT) -> Snapshot:
    return line(results).publish({result.key.step: result.reference for result in made}, run_id="run-1", at=at)


def copy(source: Results, target: Results, **more: Any) -> Transferred:
    return transfer(source, target, at=AT, **more)


def moved(done: Transferred) -> list[str]:
    return [move.moved for move in done.lines]


def current_rows(results: Results) -> dict[str, object]:
    """Step → the rows that are current, each verified."""
    snapshot = line(results).current()
    assert snapshot is not None
    found = {}
    for step, reference in snapshot.steps.items():
        result = results.get(reference)
        assert result is not None
        found[step] = load(results, result).column("n").to_pylist()
    return found


# What is copied.


def test_an_empty_store_receives_everything_the_history_and_the_salt(here: Results, there: Results) -> None:
    publish(here, store(here, key(n=1), table(1)))
    publish(here, store(here, key(n=2), table(2)), store(here, key("report"), table(5)))
    done = copy(here, there)
    assert (done.copied, done.present, done.blobs, done.left_out) == (3, 0, 3, [])
    assert moved(done) == ["created"]
    assert list(there.all()) == list(here.all())
    assert [snapshot.id for snapshot in line(there).history()] == [snapshot.id for snapshot in line(here).history()]
    assert open_results(Path(there.store.name)).salt == here.salt
    assert there.store_id != here.store_id
    assert list(there.damage()) == []
    assert list(there.store.list("pins")) == []


def test_repeating_it_copies_nothing(here: Results, there: Results) -> None:
    publish(here, store(here, key(), table(1)))
    copy(here, there)
    again = copy(here, there)
    assert (again.copied, again.present, again.blobs, again.size_bytes) == (0, 1, 0, 0)
    assert moved(again) == ["unchanged"]


def test_a_blob_that_is_there_is_not_copied_again(here: Results, there: Results) -> None:
    store(there, key("other"), table(1))
    store(here, key(), table(1))
    assert copy(here, there, skip_salted=True).blobs == 0
    assert list(there.damage()) == []


def test_a_missing_or_damaged_blob_of_a_result_that_is_there_is_copied(here: Results, there: Results) -> None:
    result = store(here, key(), table(1))
    copy(here, there)
    (path,) = (Path(there.store.name) / "blobs").rglob("*/*")
    path.write_bytes(b"short")
    assert copy(here, there).blobs == 1
    assert load(there, result).to_pylist() == [{"n": 1}]


def test_what_is_damaged_here_is_left_out_and_does_not_become_current_there(here: Results, there: Results) -> None:
    good, bad = store(here, key(), table(1)), store(here, key("report"), table(2))
    publish(here, good, bad)
    digest = bad.output.blobs[0].digest.hex
    path = Path(here.store.name) / "blobs" / digest[:2] / digest
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    done = copy(here, there)
    assert done.copied == 1
    assert "report" in done.left_out[0]
    assert "damaged" in done.left_out[0]
    assert moved(done) == ["merged"]
    assert current_rows(there) == {"clean": [1]}


def test_revoked_results_are_not_copied_and_not_put_back_into_use(here: Results, there: Results) -> None:
    first, second = store(here, key(n=1), table(1)), store(here, key(n=2), table(2))
    here.revoke(first.key.digest(), 1, why="invalidated", at=AT)
    assert copy(here, there).copied == 1
    there.revoke(second.key.digest(), 1, why="invalidated", at=AT)
    there.store.delete(f"results/{second.key.digest().hex[:2]}/{second.key.digest().hex}/1")
    done = copy(here, there)
    assert (done.copied, done.present) == (0, 0)
    assert "taken out of use" in done.left_out[0]


def test_an_accepted_result_is_copied_with_who_accepted_it_unless_its_origin_was_revoked_there(
    here: Results, there: Results
) -> None:
    computed = store(here, key(n=1), table(1))
    taken = Acceptance("ann@laptop", AT, (computed.id,))
    first = here.commit(replace(computed, key=key(n=2), accepted=taken))
    copy(here, there)
    assert there.get(first.reference) == first
    there.revoke(*computed.id, why="invalidated", at=AT)
    assert there.is_revoked(*first.id)
    here.commit(replace(computed, key=key(n=3), accepted=taken))
    assert sum("taken out of use" in sentence for sentence in copy(here, there).left_out) == 3


def test_an_accepted_result_goes_with_its_origin_under_whatever_number_that_has_there(
    here: Results, there: Results
) -> None:
    there.take_salt(here)
    store(there, key(n=1), table(9))
    computed = store(here, key(n=1), table(1))
    taken = Acceptance("ann@laptop", AT, (computed.id,))
    accepted = here.commit(replace(computed, key=key(n=0), accepted=taken))
    copy(here, there)
    there.revoke(key(n=1).digest(), 1, why="invalidated", at=AT)
    assert not there.is_revoked(*accepted.id)
    there.revoke(key(n=1).digest(), 2, why="invalidated", at=AT)
    assert there.is_revoked(*accepted.id)


def test_that_a_result_came_out_otherwise_is_known_on_both_sides(here: Results, there: Results) -> None:
    made = store(here, key(n=1), table(1))
    copy(here, there)
    here.mark_nondeterministic(made, other=Digest.of_bytes(b"other"), at=AT)
    copy(here, there)
    assert there.is_nondeterministic(made)


def test_one_key_with_other_data_there_becomes_another_generation(here: Results, there: Results) -> None:
    there.take_salt(here)
    theirs = store(there, key(), table(1))
    mine = store(here, key(), table(2))
    publish(here, mine)
    done = copy(here, there)
    assert moved(done) == ["merged"]
    assert [result.output.version for result in there.candidates(key().digest())] == [
        mine.output.version,
        theirs.output.version,
    ]
    assert current_rows(there) == {"clean": [2]}


def test_the_same_result_computed_on_both_sides_is_one(here: Results, there: Results) -> None:
    there.take_salt(here)
    commit(computed(key(), table(1), run_id="theirs"), there)
    publish(here, store(here, key(), table(1)))
    done = copy(here, there)
    assert (done.copied, done.present) == (0, 1)
    assert moved(done) == ["created"]
    assert len(list(there.all())) == 1


# What is current.


def test_a_line_that_went_on_here_moves_forward_there(here: Results, there: Results) -> None:
    publish(here, store(here, key(n=1), table(1)))
    copy(here, there)
    publish(here, store(here, key(n=2), table(2)))
    publish(here, store(here, key(n=3), table(3)))
    assert moved(copy(here, there)) == ["forwarded"]
    assert [snapshot.sequence for snapshot in line(there).history()] == [3, 2, 1]
    assert current_rows(there) == {"clean": [3]}


def test_a_line_that_went_on_there_is_not_moved_back(here: Results, there: Results) -> None:
    publish(here, store(here, key(n=1), table(1)))
    copy(here, there)
    publish(there, store(there, key(n=2), table(2)))
    assert moved(copy(here, there)) == ["ahead"]
    assert current_rows(there) == {"clean": [2]}
    assert moved(copy(there, here)) == ["forwarded"]
    assert current_rows(here) == {"clean": [2]}


def test_where_both_sides_moved_other_steps_both_count(here: Results, there: Results) -> None:
    publish(here, store(here, key(n=1), table(1)), store(here, key("report", n=1), table(1)))
    copy(here, there)
    publish(here, store(here, key(n=2), table(2)))
    publish(there, store(there, key("report", n=2), table(20)))
    assert moved(copy(here, there)) == ["merged"]
    assert current_rows(there) == {"clean": [2], "report": [20]}
    assert moved(copy(here, there)) == ["unchanged"]


@pytest.mark.parametrize(("mine_at", "expected"), [("2026-01-03", [2]), ("2026-01-01", [3])])
def test_where_both_sides_moved_one_step_whoever_published_last_counts(
    here: Results, there: Results, mine_at: str, expected: list[int]
) -> None:
    publish(here, store(here, key(n=1), table(1)), at="2025-12-31T00:00:00+00:00")
    copy(here, there)
    publish(here, store(here, key(n=2), table(2)), at=f"{mine_at}T00:00:00+00:00")
    publish(there, store(there, key(n=3), table(3)), at="2026-01-02T00:00:00+00:00")
    copy(here, there)
    assert current_rows(there) == {"clean": expected}


def test_environments_move_by_themselves(here: Results, there: Results) -> None:
    made = store(here, key(), table(1))
    for environment in ("dev", "prod"):
        line(here, environment).publish({"clean": made.reference}, run_id=None, at=AT)
    assert {(move.environment, move.moved) for move in copy(here, there).lines} == {
        ("dev", "created"),
        ("prod", "created"),
    }


# Salts.


def salted(results: Results) -> Key:
    state = variable_state("REGION", results.salt, {"REGION": "north"})
    return replace(key("salted"), env={"REGION": Item(Digest.of_struct("variable", state), "variable", shown="set")})


def test_what_rests_on_a_variable_is_known_by_key_and_trace(here: Results) -> None:
    unset = Item(Digest.of_struct("variable", None), "variable", shown="not set")
    assert rests_on_salt(store(here, salted(here), table(1)))
    assert not rests_on_salt(store(here, replace(key("unset"), env={"REGION": unset}), table(1)))
    seen = Observation("variable", "REGION", variable_state("REGION", here.salt, {"REGION": "north"}))
    assert rests_on_salt(store(here, key("traced"), table(1), trace=(seen,)))
    assert not rests_on_salt(store(here, key("untraced"), table(1), trace=(replace(seen, state=None),)))


def test_stores_with_different_salts_are_refused_and_nothing_is_copied(here: Results, there: Results) -> None:
    store(here, key(), table(1))
    store(there, key("other"), table(2))
    with pytest.raises(UsageError, match=r"another salt.*--skip-salted"):
        copy(here, there)
    assert len(list(there.all())) == 1


def test_between_different_salts_what_rests_on_them_is_left_out_when_told(here: Results, there: Results) -> None:
    publish(here, store(here, key(), table(1)), store(here, salted(here), table(2)))
    store(there, key("other"), table(2))
    done = copy(here, there, skip_salted=True)
    assert done.copied == 1
    assert [sentence.split()[0] for sentence in done.left_out] == ["salted"]
    assert current_rows(there) == {"clean": [1]}


def test_a_store_is_not_copied_to_itself(here: Results) -> None:
    with pytest.raises(UsageError, match="one store"):
        copy(here, open_results(Path(here.store.name)))


# Stopped.


def test_killed_at_any_write_it_leaves_a_store_that_verifies_and_repeating_finishes(tmp_path: Path) -> None:
    here = open_results(tmp_path / "here")
    publish(here, store(here, key(n=1), table(1)))
    publish(here, store(here, key(n=2), table(2)), store(here, key("report"), table(5)))
    whole = current_rows(here)
    states = set()
    for number in range(1, 200):
        root = tmp_path / str(number)
        status = _killed_copy(here, root, number)
        there = open_results(root)
        assert list(there.damage()) == []
        head = line(there).current()
        states.add(head is not None)
        assert head is None or current_rows(there) == whole
        copy(here, there)
        assert current_rows(there) == whole
        assert list(there.all()) == list(here.all())
        shutil.rmtree(root)
        if status == 0:
            break
    else:
        raise AssertionError("the copy never got through")
    assert states == {True, False}


def _killed_copy(here: Results, root: Path, number: int) -> int:
    """Copy in a fork that kills itself before its n-th rename, link or delete."""

    def killed() -> None:
        die_at(number, "replace", "link", "unlink")
        copy(here, open_results(root))

    status = in_fork(killed)
    assert status in (0, -signal.SIGKILL)
    return status

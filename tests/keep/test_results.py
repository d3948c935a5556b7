"""Results: the first of a key wins, what is damaged is a miss, and nothing is guessed (truth.md 3.5, 6)."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edited import edits
from hypothesis import given, settings
from kept import AT, key, load, store, table, verified

from odibi_assets.errors import DamagedObject, UnknownLayout
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.key import Key
from odibi_assets.identify.observation import Observation
from odibi_assets.keep import canonical_json
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.result import Acceptance, Blob, Output, Result
from odibi_assets.keep.results import Results, open_results

KEY = key()
FIRST, SECOND = table(1, 2, 3), table(4, 5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def results(root: Path) -> Results:
    return open_results(root)


def blob_path(root: Path, result: Result) -> Path:
    digest = result.output.blobs[0].digest.hex
    return root / "blobs" / digest[:2] / digest


def record_path(root: Path, result: Result) -> Path:
    digest = result.key.digest().hex
    return root / "results" / digest[:2] / digest / str(result.generation)


def candidates(results: Results) -> list[Result]:
    return list(results.candidates(KEY.digest()))


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# The store.


def test_a_store_keeps_its_id_and_salt(root: Path) -> None:
    first, second = open_results(root), open_results(root)
    assert (first.store_id, first.salt) == (second.store_id, second.salt)
    assert len(first.salt) == 32


def test_stores_have_ids_and_salts_of_their_own(tmp_path: Path) -> None:
    first, second = open_results(tmp_path / "1"), open_results(tmp_path / "2")
    assert first.store_id != second.store_id
    assert first.salt != second.salt


def test_whoever_opens_a_new_store_at_the_same_time_gets_one_salt(root: Path) -> None:
    start = threading.Barrier(16)

    def open_together(_: int) -> bytes:
        start.wait()
        return open_results(root).salt

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(open_together, range(16)))) == 1


@pytest.mark.parametrize("change", [{"layout": 2}, {"layout": None}, {"v": 2}, {"v": "1"}])
def test_an_unknown_layout_is_refused(root: Path, results: Results, change: dict[str, object]) -> None:
    path = root / "format.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    before = path.read_bytes()
    with pytest.raises(UnknownLayout, match="version|layout"):
        open_results(root)
    assert path.read_bytes() == before


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_format_is_refused_and_not_made_anew(root: Path, results: Results, data: bytes) -> None:
    (root / "format.json").write_bytes(data)
    with pytest.raises(DamagedObject, match=r"format\.json"):
        open_results(root)
    assert (root / "format.json").read_bytes() == data


# Committing.


def test_a_committed_result_is_found_by_its_key_and_holds_its_data(results: Results) -> None:
    result = store(results, KEY, FIRST)
    assert candidates(results) == [result]
    assert results.get(result.reference) == result
    assert verified(results, result.reference) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert list(results.candidates(key("other").digest())) == []


def test_the_first_result_of_a_key_wins_and_who_comes_second_adopts_it(results: Results) -> None:
    first = store(results, KEY, FIRST)
    second = store(results, KEY, SECOND, run_id="run-2")
    assert second == first
    assert results.generations(KEY.digest()) == [1]


def test_of_threads_that_commit_different_data_under_one_key_one_wins_and_all_adopt_it(results: Results) -> None:
    start = threading.Barrier(8)

    def commit(i: int) -> Result:
        start.wait()
        return store(results, KEY, table(i, i))

    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            adopted = list(pool.map(commit, range(8)))
        assert all(result == adopted[0] for result in adopted)
        assert candidates(results) == [adopted[0]]
        assert not adopted[0].nondeterministic


def test_a_result_committed_just_after_another_commit_looked_is_adopted_by_it(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = open_results(Path(results.store.name))
    looked = late.candidates
    committed: list[Result] = []

    def look_then_lose_the_race(digest: Digest, **how: Any) -> Any:
        found = list(looked(digest, **how))
        if not committed:
            committed.append(store(results, KEY, FIRST))
        return iter(found)

    monkeypatch.setattr(late, "candidates", look_then_lose_the_race)
    assert store(late, KEY, SECOND) == committed[0]
    assert late.generations(KEY.digest()) == [1]


def test_an_equal_result_is_adopted_even_where_a_new_one_was_asked_for(results: Results) -> None:
    first = store(results, KEY, FIRST)
    assert store(results, KEY, FIRST, replaces=True, run_id="run-2") == first
    assert results.generations(KEY.digest()) == [1]


def test_a_forced_result_that_differs_is_a_new_generation_marked_nondeterministic(results: Results) -> None:
    first = store(results, KEY, FIRST)
    second = store(results, KEY, SECOND, replaces=True)
    assert not first.nondeterministic
    assert (second.generation, second.nondeterministic) == (2, True)
    assert candidates(results) == [second, first]
    assert candidates(Results(results.store)) == [second, first]


@pytest.mark.parametrize(
    "explanation",
    [
        pytest.param({"trace": (Observation("file", "a.json", "other"),)}, id="it read something else"),
        pytest.param({"obstacles": (("clock", "it reads the clock"),)}, id="it did what makes it non-reusable"),
    ],
)
def test_another_result_of_a_key_that_is_explained_is_not_nondeterministic(
    results: Results, explanation: dict[str, Any]
) -> None:
    store(results, KEY, FIRST)
    second = store(results, KEY, SECOND, replaces=True, **explanation)
    assert (second.generation, second.nondeterministic) == (2, False)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"trace": (Observation("file", "a.json", "other"),)}, id="trace"),
        pytest.param({"expires_at": "2013-02-01T00:00:00+00:00"}, id="expiry"),
    ],
)
def test_equal_data_that_hold_in_another_world_or_for_longer_are_a_new_generation(
    results: Results, change: dict[str, Any]
) -> None:
    store(results, KEY, FIRST)
    second = store(results, KEY, FIRST, replaces=True, **change)
    assert (second.generation, second.nondeterministic) == (2, False)


def test_generations_are_counted_as_numbers(results: Results) -> None:
    for i in range(12):
        store(results, KEY, table(i), replaces=True)
    assert [result.generation for result in candidates(results)] == list(range(12, 0, -1))


def test_a_revoked_generation_is_no_candidate_and_never_comes_back(results: Results) -> None:
    first = store(results, KEY, FIRST)
    second = store(results, KEY, SECOND, replaces=True)
    results.revoke(KEY.digest(), 2, why="invalidated", at=AT)
    assert results.is_revoked(KEY.digest(), 2)
    assert candidates(results) == [first]
    results.revoke(KEY.digest(), 1, why="invalidated", at=AT)
    assert candidates(results) == []
    third = store(results, KEY, SECOND)
    assert third.generation == 3
    assert third.output == second.output
    assert candidates(results) == [third]


def test_a_generation_whose_revocation_outlived_its_record_is_not_used_again(root: Path, results: Results) -> None:
    store(results, KEY, FIRST)
    results.revoke(KEY.digest(), 1, why="invalidated", at=AT)
    results.store.delete(f"results/{KEY.digest().hex[:2]}/{KEY.digest().hex}/1")
    again = store(results, KEY, FIRST)
    assert again.generation == 2
    assert candidates(results) == [again]


def test_a_result_that_differs_from_an_invalidated_one_of_its_key_is_nondeterministic(results: Results) -> None:
    store(results, KEY, FIRST)
    results.revoke(KEY.digest(), 1, why="invalidated", at=AT)
    assert store(results, KEY, SECOND).nondeterministic


# What was accepted, and what is noted beside a record.


def accepted(results: Results, *taken_from: Result, key: Key) -> Result:
    """The result as a user takes it over for another key."""
    chain = tuple(result.id for result in taken_from)
    return results.commit(replace(taken_from[0], key=key, accepted=Acceptance("ann@laptop", AT, chain)), replace=True)


def test_revoking_a_result_takes_all_that_was_accepted_from_it_out_of_use_and_nothing_else(results: Results) -> None:
    first = store(results, KEY, FIRST)
    second = accepted(results, first, key=key(limit=4))
    third = accepted(results, second, first, key=key(limit=5))
    other = store(results, key(limit=6), FIRST)
    assert results.revoke(*second.id, why="invalidated", at=AT)
    assert [results.is_revoked(*each.id) for each in (first, second, third, other)] == [False, True, True, False]
    assert results.revoke(*first.id, why="invalidated", at=AT)
    assert not results.revoke(*third.id, why="invalidated", at=AT)


def test_of_generations_of_one_key_only_what_comes_from_the_revoked_one_goes_with_it(results: Results) -> None:
    first = store(results, KEY, FIRST)
    second = store(results, KEY, SECOND, replaces=True)
    from_first, from_second = accepted(results, first, key=key(a=1)), accepted(results, second, key=key(a=2))
    results.revoke(*first.id, why="invalidated", at=AT)
    assert results.is_revoked(*from_first.id)
    assert not results.is_revoked(*from_second.id)
    assert list(results.accepted_from(KEY.digest())) == [from_first, from_second]


@pytest.mark.parametrize("data", [FIRST, SECOND], ids=["equal", "other"])
def test_what_was_computed_stands_above_what_was_accepted(results: Results, data: Any) -> None:
    first = store(results, KEY, FIRST)
    accepted(results, first, key=key(limit=4))
    made = store(results, key(limit=4), data)
    assert (made.generation, made.accepted, made.nondeterministic) == (2, None, False)
    assert next(results.candidates(key(limit=4).digest())) == made


def test_a_result_is_marked_nondeterministic_without_its_record_changing(root: Path, results: Results) -> None:
    made, other = store(results, KEY, FIRST), store(results, key(limit=4), FIRST)
    before = record_path(root, made).read_bytes()
    results.mark_nondeterministic(made, other=Digest.of_bytes(b"other"), at=AT)
    assert results.is_nondeterministic(made)
    assert not results.is_nondeterministic(other)
    assert record_path(root, made).read_bytes() == before
    assert candidates(results) == [made]


def test_a_reference_to_another_version_finds_nothing(results: Results) -> None:
    first = store(results, KEY, FIRST)
    other = replace(first.reference, version=store(results, key("other"), SECOND).output.version)
    assert results.get(first.reference) == first
    assert results.get(other) is None


def test_results_with_equal_data_share_one_blob(root: Path, results: Results) -> None:
    first, second = store(results, KEY, FIRST), store(results, key("other"), FIRST)
    assert first.output == second.output
    assert len(list((root / "blobs").rglob("*/*"))) == 1


def test_nothing_temporary_is_left_by_a_commit(root: Path, results: Results) -> None:
    store(results, KEY, FIRST)
    store(results, KEY, FIRST)
    assert list((root / "tmp").iterdir()) == []


# Damage.


def test_a_result_whose_blob_is_missing_is_not_whole_and_is_repaired_by_computing_again(
    root: Path, results: Results
) -> None:
    first = store(results, KEY, FIRST)
    blob_path(root, first).unlink()
    assert not results.is_whole(first)
    with pytest.raises(DamagedObject, match="missing"):
        load(results, first)
    again = store(results, KEY, FIRST, replaces=True)
    assert verified(results, again.reference) == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest.mark.parametrize("replaces", [True, False])
def test_a_result_whose_blob_is_missing_does_not_win_over_new_data(
    root: Path, results: Results, replaces: bool
) -> None:
    blob_path(root, store(results, KEY, FIRST)).unlink()
    second = store(results, KEY, SECOND, replaces=replaces)
    assert (second.generation, second.nondeterministic) == (2, True)
    assert verified(results, second.reference) == [{"n": 4}, {"n": 5}]


@pytest.mark.parametrize("cut_to", [0, 1, -1])
def test_a_blob_that_is_cut_short_is_not_whole_and_the_next_commit_replaces_it(
    root: Path, results: Results, cut_to: int
) -> None:
    first = store(results, KEY, FIRST)
    path = blob_path(root, first)
    path.write_bytes(path.read_bytes()[:cut_to])
    assert not results.is_whole(first)
    again = store(results, KEY, FIRST)
    assert verified(results, again.reference) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_damaged_blob_is_not_relied_on_when_the_same_bytes_are_stored_again(root: Path, results: Results) -> None:
    first = store(results, KEY, FIRST)
    flip(blob_path(root, first))
    again = store(results, KEY, FIRST)
    assert verified(results, again.reference) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert len(list((root / "tmp").glob("*.damaged"))) == 1


def test_a_blob_with_other_bytes_is_never_handed_out_and_is_moved_aside(root: Path, results: Results) -> None:
    first = store(results, KEY, FIRST)
    path = blob_path(root, first)
    flip(path)
    damaged = path.read_bytes()
    with pytest.raises(DamagedObject, match=r"damaged.*moved aside"):
        load(results, first)
    assert not path.exists()
    assert [aside.read_bytes() for aside in (root / "tmp").glob("*.damaged")] == [damaged]
    assert not results.is_whole(first)
    again = store(results, KEY, FIRST)
    assert verified(results, again.reference) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_result_without_its_record_is_a_miss(root: Path, results: Results) -> None:
    first = store(results, KEY, FIRST)
    record_path(root, first).unlink()
    assert candidates(results) == []
    assert results.get(first.reference) is None
    assert store(results, KEY, FIRST).generation == 1


@pytest.mark.parametrize(
    "data", [b"", b"{", b"null", b"[1]", b"{}", b'{"v":1}', b'{"v":2}', b"\xff\xfe", b"[" * 100_000], ids=range(9)
)
def test_an_unreadable_record_is_a_miss_and_the_next_generation_counts(
    root: Path, results: Results, data: bytes
) -> None:
    first = store(results, KEY, FIRST)
    record_path(root, first).write_bytes(data)
    assert candidates(results) == []
    assert results.get(first.reference) is None
    assert list(results.all()) == []
    second = store(results, KEY, SECOND)
    assert (second.generation, second.nondeterministic) == (2, False)
    assert candidates(results) == [second]


def test_a_record_that_stands_under_another_name_is_a_miss(root: Path, results: Results) -> None:
    mine, other = store(results, KEY, FIRST), store(results, key("other"), SECOND)
    record_path(root, other).write_bytes(record_path(root, mine).read_bytes())
    assert list(results.candidates(other.key.digest())) == []
    assert list(results.candidates(other.key.digest(), like=other.key)) == []
    later = record_path(root, mine).with_name("7")
    later.write_bytes(record_path(root, mine).read_bytes())
    assert candidates(results) == [mine]


def test_a_record_is_found_alike_with_the_key_at_hand_or_not(results: Results) -> None:
    mine = store(results, KEY, FIRST)
    told = replace(KEY, params={name: replace(item, place="m.py:7") for name, item in KEY.params.items()})
    for like in (None, KEY, told):
        (found,) = results.candidates(KEY.digest(), like=like)
        assert (found, found.key) == (mine, KEY)


def test_what_lies_beside_generations_is_no_generation(root: Path, results: Results) -> None:
    first = store(results, KEY, FIRST)
    record_path(root, first).with_name("1.bak").write_bytes(b"")
    assert results.generations(KEY.digest()) == [1]
    assert [result.generation for result in results.all()] == [1]


FULL = Result(
    pipeline="flights",
    key=key(limit=3),
    outputs={
        "result": Output(
            Digest.of_bytes(b"v"), "parquet", (Blob(Digest.of_bytes(b"b"), 7),), 3, 24, {"n": "int64"},
            {"n": Digest.of_bytes(b"n")}, ("n: int8 became int64",),
        )
    },
    produced_at=AT, run_id="run-1", seconds=0.5, reason="why", generation=1,
    trace=(Observation("file", "a.json", "state"), Observation("missing", "b.json", None)),
    obstacles=(("clock", "it reads the clock"),), nondeterministic=True, expires_at=AT,
    accepted=Acceptance("ann@laptop", AT, ((Digest.of_bytes(b"k2"), 1), (Digest.of_bytes(b"k1"), 3)), "only a name"),
)  # fmt: skip


def test_a_record_gives_back_everything(results: Results) -> None:
    assert Result.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL
    committed = results.commit(FULL)
    assert results.get(committed.reference) == committed
    assert committed.with_generation(1, nondeterministic=True) == FULL


@settings(max_examples=300, deadline=None)
@given(edited=edits({**FULL.to_json(), "v": 1}))
def test_no_damage_to_a_record_is_more_than_a_miss(tmp_path_factory: pytest.TempPathFactory, edited: Any) -> None:
    root = tmp_path_factory.mktemp("store")
    results = open_results(root)
    committed = results.commit(FULL)
    path = record_path(root, committed)
    for text in (json.dumps(edited), canonical_json.dump_sealed(edited).decode("utf-8", "surrogatepass")):
        path.write_text(text, errors="surrogatepass")
        for found in (*results.candidates(FULL.key.digest()), *results.all()):
            results.is_whole(found)
            assert found.key.digest() == FULL.key.digest()
        list(results.damage())
    assert store(results, FULL.key, FIRST, replaces=True).generation in (1, 2)


def test_no_byte_of_a_record_can_change_unnoticed(root: Path, results: Results) -> None:
    """A trace that is no longer what was seen would be a wrong hit."""
    committed = results.commit(FULL)
    path = record_path(root, committed)
    data = path.read_bytes()
    for position in range(len(data)):
        for bit in (0, 4, 5):
            path.write_bytes(data[:position] + bytes([data[position] ^ (1 << bit)]) + data[position + 1 :])
            assert [found for found in candidates_of(results, FULL) if found != committed] == []
    path.write_bytes(data)
    assert candidates_of(results, FULL) == [committed]


def candidates_of(results: Results, result: Result) -> list[Result]:
    return list(results.candidates(result.key.digest()))


# Checking everything.


def test_a_sound_store_has_no_damage(results: Results) -> None:
    store(results, KEY, FIRST)
    store(results, key("other"), SECOND)
    assert list(results.damage()) == []


def test_each_kind_of_damage_is_found_and_named(root: Path, results: Results) -> None:
    stored = {
        name: store(results, key(name), table(name))
        for name in ("good", "flipped", "missing", "cut", "record", "moved")
    }
    flip(blob_path(root, stored["flipped"]))
    blob_path(root, stored["missing"]).unlink()
    blob_path(root, stored["cut"]).write_bytes(b"")
    record_path(root, stored["record"]).write_bytes(b"{")
    record_path(root, stored["moved"]).write_bytes(record_path(root, stored["good"]).read_bytes())
    found = list(results.damage())

    def sentences(name: str, part: str) -> list[str]:
        digest = (stored[name].output.blobs[0].digest if part == "blobs" else stored[name].key.digest()).hex
        return [sentence for sentence in found if digest in sentence]

    assert ["do not hash" in sentence for sentence in sentences("flipped", "blobs")] == [True]
    assert ["do not hash" in sentence for sentence in sentences("cut", "blobs")] == [True]
    assert ["'missing' is missing" in sentence for sentence in sentences("missing", "results")] == [True]
    assert ["'flipped' is missing" in sentence for sentence in sentences("flipped", "results")] == [True]
    assert ["not JSON" in sentence for sentence in sentences("record", "results")] == [True]
    assert ["another key" in sentence for sentence in sentences("moved", "results")] == [True]
    assert sentences("good", "results") == sentences("good", "blobs") == []
    assert verified(results, stored["good"].reference) == [{"n": "good"}]
    assert not blob_path(root, stored["flipped"]).exists()


def test_what_was_found_damaged_once_is_missing_from_then_on(root: Path, results: Results) -> None:
    flip(blob_path(root, store(results, KEY, FIRST)))
    assert len(list(results.damage())) == 2
    assert [("is missing" in sentence) for sentence in results.damage()] == [True]
    store(results, KEY, FIRST)
    assert list(results.damage()) == []


def test_a_store_can_be_any_backend(root: Path) -> None:
    assert Results(FolderStore(root)).store_id == open_results(root).store_id

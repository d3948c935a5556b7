"""Results: created once, found by key, verified when read, computed again when lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from odibi_assets.errors import DamagedObject, UnknownLayout, UsageError
from odibi_assets.execute.commit import Computed, commit
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.item import Item
from odibi_assets.identify.key import Key
from odibi_assets.identify.observed_inputs import Observation
from odibi_assets.keep.formats.frame import read, settle
from odibi_assets.keep.results import Results, open_results

KEY = Key("step", params={"limit": Item(Digest.of_struct("param", 1), "param", shown="1")})


def computed(*values: int, **changes: object) -> Computed:
    frame = settle(pa.table({"a": list(values)}), shared=False)
    made = Computed("pipe", KEY, frame, "2026-01-01T00:00:00+00:00", "run", 0.1, "no result yet")
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return open_results(tmp_path / "store")


def blob_path(results: Results) -> Path:
    (path,) = (path for path in Path(results.store.name, "blobs").rglob("*") if path.is_file())
    return path


def test_a_committed_result_is_found_by_its_key_and_reads_as_it_was(results: Results) -> None:
    commit(computed(1, 2), results)
    (found,) = results.candidates(KEY.digest())
    assert found.key == KEY
    assert found.output.row_count == 2
    assert read(results.open_blob(found.output.blobs[0])).to_pydict() == {"a": [1, 2]}


def test_the_first_result_of_a_key_wins(results: Results) -> None:
    first = commit(computed(1), results)
    second = commit(computed(2), results)
    assert second == first
    assert results.generations(KEY.digest()) == [1]


def test_a_result_that_replaces_another_is_a_generation_marked_nondeterministic(results: Results) -> None:
    commit(computed(1), results)
    second = commit(computed(2, replaces=True), results)
    assert (second.generation, second.nondeterministic) == (2, True)
    assert [found.generation for found in results.candidates(KEY.digest())] == [2, 1]


def test_an_equal_result_is_adopted_even_when_it_should_replace(results: Results) -> None:
    first = commit(computed(1), results)
    assert commit(computed(1, replaces=True), results) == first


def test_another_trace_explains_another_version(results: Results) -> None:
    commit(computed(1, trace=(Observation("file", "x", "b3:1"),)), results)
    second = commit(computed(2, trace=(Observation("file", "x", "b3:2"),), replaces=True), results)
    assert (second.generation, second.nondeterministic) == (2, False)


def test_a_revoked_result_is_never_chosen_again(results: Results) -> None:
    first = commit(computed(1), results)
    results.revoke(KEY.digest(), first.generation)
    assert list(results.candidates(KEY.digest())) == []
    assert commit(computed(1), results).generation == 2


def test_a_damaged_blob_is_moved_aside_and_told(results: Results) -> None:
    result = commit(computed(1), results)
    path = blob_path(results)
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    assert results.is_whole(result)
    with pytest.raises(DamagedObject, match="moved aside"):
        results.open_blob(result.output.blobs[0])
    assert not results.is_whole(result)
    assert commit(computed(1), results).output.version == result.output.version
    assert read(results.open_blob(result.output.blobs[0])).to_pydict() == {"a": [1]}


@pytest.mark.parametrize("damage", ["gone", "short"])
def test_a_blob_that_is_gone_or_short_makes_its_result_incomplete(results: Results, damage: str) -> None:
    result = commit(computed(1), results)
    path = blob_path(results)
    path.chmod(0o644)
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:-1])
    assert not results.is_whole(result)
    assert len(list(results.damage())) >= 1


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"v":1}', b'{"v":99}'])
def test_an_unreadable_record_is_a_miss(results: Results, text: bytes) -> None:
    commit(computed(1), results)
    results.store.put(f"results/{KEY.digest().hex[:2]}/{KEY.digest().hex}/1", text)
    assert list(results.candidates(KEY.digest())) == []
    assert commit(computed(1), results).generation == 2


def test_a_record_under_another_key_is_a_miss(results: Results) -> None:
    commit(computed(1), results)
    other = replace(KEY, step="other").digest()
    data = results.store.get(f"results/{KEY.digest().hex[:2]}/{KEY.digest().hex}/1")
    assert data is not None
    results.store.put(f"results/{other.hex[:2]}/{other.hex}/1", data)
    assert list(results.candidates(other)) == []
    assert any("another key" in sentence for sentence in results.damage())


def test_equal_frames_of_two_keys_share_one_blob(results: Results) -> None:
    commit(computed(1), results)
    commit(computed(1, key=replace(KEY, step="other")), results)
    assert blob_path(results).is_file()
    assert len(list(results.all())) == 2


def test_a_store_of_another_layout_is_refused(results: Results) -> None:
    data = results.store.get("format.json")
    assert data is not None
    results.store.put("format.json", data.replace(b'"layout":1', b'"layout":2'))
    with pytest.raises(UnknownLayout, match="layout 2"):
        Results(results.store)


def test_a_store_keeps_its_id_and_salt(results: Results) -> None:
    again = Results(results.store)
    assert (again.store_id, again.salt) == (results.store_id, results.salt)
    assert len(results.salt) == 32


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        open_results(tmp_path / "file")

"""A bucket that is slow, refuses, or goes away; servers that can't keep results; what of all that a machine holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kept
import pytest
from servers.azurite import Azurite
from servers.rclone import Rclone
from servers.s3 import KEY, SECRET, client, environment
from servers.seaweedfs import SeaweedFS
from servers.unsteady import UnsteadyWay

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import DamagedObject, StoreAway, StoreError, UsageError
from odibi_assets.keep import tiers
from odibi_assets.keep.results import Results, open_results
from odibi_assets.keep.snapshot import Snapshots
from odibi_assets.keep.tiers import TieredStore
from odibi_assets.keep.upload import waiting


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    return seaweedfs.make_bucket(f"tiers-{uuid.uuid4().hex[:8]}")


class Machine:
    """One machine's folders before a bucket."""

    def __init__(self, url: str, folder: Path, env: dict[str, str]) -> None:
        self.root = BucketRoot.of(url, local=folder / "local", spool=folder / "spool", env=env)

    def open(self) -> Results:
        return open_results(self.root)

    def open_later(self) -> Results:
        """Open when the bucket that failed is no longer left alone."""
        tiers._failed_at.clear()
        return self.open()


@pytest.fixture
def url(bucket: str) -> str:
    return f"s3://{bucket}/{uuid.uuid4().hex}"


@pytest.fixture
def here(url: str, way: UnsteadyWay, tmp_path: Path) -> Iterator[Machine]:
    """A machine whose way to the bucket is unsteady."""
    yield Machine(url, tmp_path / "here", environment(way.endpoint))
    tiers._failed_at.clear()


@pytest.fixture
def there(url: str, seaweedfs: SeaweedFS, tmp_path: Path) -> Machine:
    """Another machine, with the same bucket."""
    return Machine(url, tmp_path / "there", seaweedfs.env)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as many as ever, without most of the waiting."""
    from odibi_assets.keep.bucket_client import RETRY

    monkeypatch.setitem(RETRY["backoff"], "max_backoff", RETRY["backoff"]["init_backoff"])


def tiered(results: Results) -> TieredStore:
    assert isinstance(results.store, TieredStore)
    return results.store


def publish(results: Results, **references: Any) -> None:
    Snapshots(results.store, "default", "flights").publish(references, run_id="run-1", at=kept.AT)


def current(results: Results) -> dict[str, Any]:
    snapshot = Snapshots(results.store, "default", "flights").current()
    return dict(snapshot.steps) if snapshot is not None else {}


# Throttling, and what passes by itself.


def test_a_throttled_request_is_tried_again_until_it_succeeds(here: Machine, way: UnsteadyWay) -> None:
    results = here.open()
    way.throttled = 5
    result = kept.store(results, kept.key(), kept.table(1, 2))
    assert way.throttled == 0
    assert not tiered(results).away
    assert kept.verified(here.open(), result.reference) == [{"n": 1}, {"n": 2}]


# Copies.


def test_what_was_written_or_read_once_is_not_downloaded_again(here: Machine, there: Machine, way: UnsteadyWay) -> None:
    mine = kept.store(here.open(), kept.key("mine"), kept.table(1))
    theirs = kept.store(there.open(), kept.key("theirs"), kept.table(2))
    for expected in (1, 0):
        way.requests.clear()
        for result in (mine, theirs):
            kept.load(here.open(), result)
        assert [method for method, path in way.requests if "/blobs/" in path].count("GET") == expected


def test_a_damaged_copy_is_fetched_again_and_the_bucket_keeps_its_own(here: Machine, there: Machine) -> None:
    result = kept.store(here.open(), kept.key(), kept.table(1, 2))
    (copy,) = [path for path in here.root.local.rglob("blobs/*/*") if path.is_file()]
    copy.write_bytes(b"damaged")
    assert kept.load(here.open(), result).num_rows == 2
    assert kept.load(there.open(), result).num_rows == 2


def test_an_object_damaged_in_the_bucket_is_found_and_moved_aside(
    here: Machine, there: Machine, seaweedfs: SeaweedFS
) -> None:
    result = kept.store(here.open(), kept.key(), kept.table(1, 2))
    name = f"blobs/{result.output.blobs[0].digest.hex[:2]}/{result.output.blobs[0].digest.hex}"
    client(seaweedfs.endpoint).put_object(
        Bucket=here.root.bucket, Key=f"{here.root.prefix}/{name}", Body=b"x" * result.output.size_bytes
    )
    with pytest.raises(DamagedObject, match="moved aside"):
        there.open().open_blob(result.output.blobs[0])
    assert there.open().store.size(name) is None


def test_verify_reads_the_bucket_and_not_the_copies(here: Machine, seaweedfs: SeaweedFS) -> None:
    results = here.open()
    result = kept.store(results, kept.key(), kept.table(1, 2))
    name = f"blobs/{result.output.blobs[0].digest.hex[:2]}/{result.output.blobs[0].digest.hex}"
    assert list(results.damage()) == []
    client(seaweedfs.endpoint).put_object(
        Bucket=here.root.bucket, Key=f"{here.root.prefix}/{name}", Body=b"x" * result.output.size_bytes
    )
    assert any(name in sentence for sentence in results.damage())


# Away.


def test_a_bucket_that_goes_away_costs_a_warning_and_the_work_goes_on(
    here: Machine, there: Machine, way: UnsteadyWay, caplog: pytest.LogCaptureFixture
) -> None:
    results = here.open()
    before = kept.store(results, kept.key("before"), kept.table(1))
    publish(results, before=before.reference)
    way.cut = True
    during = kept.store(results, kept.key("during"), kept.table(2))
    publish(results, during=during.reference)
    assert "does not answer" in caplog.text
    assert current(results) == {"before": before.reference, "during": during.reference}
    assert [kept.verified(results, result.reference) for result in (before, during)] == [[{"n": 1}], [{"n": 2}]]
    assert current(there.open()) == {"before": before.reference}

    way.cut = False
    later = here.open_later()
    assert waiting(tiered(later).spool) == []
    assert current(there.open()) == {"before": before.reference, "during": during.reference}
    assert kept.verified(there.open(), during.reference) == [{"n": 2}]


def test_while_it_is_away_results_that_this_machine_read_are_found_by_key(here: Machine, way: UnsteadyWay) -> None:
    result = kept.store(here.open(), kept.key(), kept.table(1))
    way.cut = True
    results = here.open()
    assert [found.reference for found in results.candidates(kept.key().digest())] == [result.reference]
    assert kept.verified(results, result.reference) == [{"n": 1}]


def test_what_was_known_to_be_taken_out_of_use_stays_so_while_it_is_away(
    here: Machine, there: Machine, way: UnsteadyWay
) -> None:
    result = kept.store(here.open(), kept.key(), kept.table(1))
    there.open().revoke(result.key.digest(), 1, why="invalidated", at=kept.AT)
    assert list(here.open().candidates(kept.key().digest())) == []
    way.cut = True
    assert list(here.open().candidates(kept.key().digest())) == []


def test_a_process_that_ends_while_it_is_away_loses_nothing(here: Machine, there: Machine, way: UnsteadyWay) -> None:
    here.open()
    way.cut = True
    result = kept.store(here.open(), kept.key(), kept.table(1))
    publish(here.open(), clean=result.reference)
    assert kept.verified(here.open_later(), result.reference) == [{"n": 1}]
    way.cut = False
    here.open_later()
    assert current(there.open()) == {"clean": result.reference}


def test_deleting_the_copies_loses_nothing_that_waits(here: Machine, there: Machine, way: UnsteadyWay) -> None:
    results = here.open()
    way.cut = True
    result = kept.store(results, kept.key(), kept.table(1))
    publish(results, clean=result.reference)
    shutil.rmtree(here.root.local)
    assert kept.verified(here.open_later(), result.reference) == [{"n": 1}]
    way.cut = False
    shutil.rmtree(here.root.local, ignore_errors=True)
    here.open_later()
    assert kept.verified(there.open(), result.reference) == [{"n": 1}]
    assert current(there.open()) == {"clean": result.reference}


def test_a_bucket_that_was_never_opened_here_and_is_away_is_an_error(here: Machine, way: UnsteadyWay) -> None:
    way.cut = True
    with pytest.raises(StoreAway, match="never opened it"):
        here.open()


def test_the_end_of_a_run_uploads_what_waits(here: Machine, there: Machine, way: UnsteadyWay) -> None:
    results = here.open()
    way.cut = True
    result = kept.store(results, kept.key(), kept.table(1))
    results.store.catch_up()
    assert waiting(tiered(results).spool)
    way.cut = False
    tiers._failed_at.clear()
    results.store.catch_up()
    assert not tiered(results).away
    assert kept.verified(there.open(), result.reference) == [{"n": 1}]


def test_a_bucket_that_failed_is_left_alone_for_a_while(here: Machine, way: UnsteadyWay) -> None:
    results = here.open()
    way.cut = True
    assert results.store.size("a/b") is None
    way.cut = False
    way.requests.clear()
    assert tiered(here.open()).away
    assert way.requests == []
    assert not tiered(here.open_later()).away


# What others did meanwhile.


def test_a_head_that_others_moved_meanwhile_is_not_overwritten_and_the_results_are_uploaded(
    here: Machine, there: Machine, way: UnsteadyWay, caplog: pytest.LogCaptureFixture
) -> None:
    results = here.open()
    way.cut = True
    mine = kept.store(results, kept.key("mine"), kept.table(1))
    publish(results, mine=mine.reference)
    theirs = kept.store(there.open(), kept.key("theirs"), kept.table(2))
    publish(there.open(), theirs=theirs.reference)
    way.cut = False
    later = here.open_later()
    assert "another machine published meanwhile" in caplog.text
    assert current(later) == current(there.open()) == {"theirs": theirs.reference}
    assert kept.verified(there.open(), mine.reference) == [{"n": 1}]
    publish(later, mine=mine.reference)
    assert current(there.open()) == {"theirs": theirs.reference, "mine": mine.reference}


def test_of_a_key_that_another_machine_computed_meanwhile_its_result_counts(
    here: Machine, there: Machine, way: UnsteadyWay
) -> None:
    results = here.open()
    way.cut = True
    mine = kept.store(results, kept.key(), kept.table(1))
    publish(results, clean=mine.reference)
    theirs = kept.store(there.open(), kept.key(), kept.table(2))
    assert mine.reference != theirs.reference
    way.cut = False
    later = here.open_later()
    assert [found.reference for found in later.candidates(kept.key().digest())] == [theirs.reference]
    assert current(there.open()) == {}
    assert later.get(mine.reference) is None


def test_no_head_is_published_whose_results_are_missing(here: Machine, there: Machine, way: UnsteadyWay) -> None:
    results = here.open()
    way.cut = True
    result = kept.store(results, kept.key(), kept.table(1))
    publish(results, clean=result.reference)
    for path in tiered(results).spool.root.rglob("results/*/*/*"):
        if path.is_file():
            path.unlink()
    way.cut = False
    here.open_later()
    assert current(there.open()) == {}


def test_an_upload_that_is_cut_off_goes_on_later(here: Machine, there: Machine, way: UnsteadyWay) -> None:
    results = here.open()
    way.cut = True
    stored = [kept.store(results, kept.key(f"step{i}"), kept.table(i)) for i in range(5)]
    publish(results, **{result.key.step: result.reference for result in stored})
    for passed in (2, 5, 9, 14, 20, 40, 60):
        way.cut = False
        allowed = len(way.requests) + passed
        tiers._failed_at.clear()
        original, way.requests = way.requests, _Cutting(way, allowed, way.requests)
        here.open()
        seen = current(there.open())
        assert all(kept.verified(there.open(), reference) for reference in seen.values())
        way.requests = list(original)
    way.cut = False
    here.open_later()
    assert current(there.open()) == {result.key.step: result.reference for result in stored}


class _Cutting(list[tuple[str, str]]):
    """Cuts the way after so many requests."""

    def __init__(self, way: UnsteadyWay, allowed: int, before: list[tuple[str, str]]) -> None:
        super().__init__(before)
        self.way, self.allowed = way, allowed

    def append(self, request: tuple[str, str]) -> None:
        super().append(request)
        self.way.cut = len(self) >= self.allowed


def test_a_bucket_that_was_emptied_is_another_store_and_its_copies_are_dropped(
    here: Machine, seaweedfs: SeaweedFS, way: UnsteadyWay, caplog: pytest.LogCaptureFixture
) -> None:
    first = here.open()
    kept.store(first, kept.key(), kept.table(1))
    way.cut = True
    kept.store(here.open(), kept.key("waits"), kept.table(2))
    way.cut = False
    ours = client(seaweedfs.endpoint)
    found = ours.list_objects_v2(Bucket=here.root.bucket, Prefix=here.root.prefix)["Contents"]
    for entry in found:
        ours.delete_object(Bucket=here.root.bucket, Key=entry["Key"])
    second = here.open_later()
    assert second.store_id != first.store_id
    assert list(second.candidates(kept.key().digest())) == []
    assert waiting(tiered(second).spool) == []
    assert "not the one that this machine knew" in caplog.text
    (aside,) = [path for path in here.root.spool.iterdir() if "-" in path.name]
    assert list(aside.rglob("blobs/*/*"))


# Refusals.


def test_a_server_that_ignores_conditions_is_refused(tmp_path: Path) -> None:
    server = Rclone(tmp_path / "rclone")
    server.server.start()
    try:
        machine = Machine(f"s3://{server.make_bucket('results')}/x", tmp_path / "here", server.env)
        for _ in range(2):
            with pytest.raises(UsageError, match="does not honour conditional writes"):
                machine.open()
    finally:
        server.server.stop()


def test_the_server_is_tried_once_only(here: Machine, way: UnsteadyWay) -> None:
    here.open()
    assert any("/probe/" in path for _, path in way.requests)
    way.requests.clear()
    here.open()
    assert not any("/probe/" in path for _, path in way.requests)


def test_wrong_credentials_are_an_error_that_names_the_bucket_and_no_secret(
    url: str, seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    machine = Machine(url, tmp_path, environment(seaweedfs.endpoint, secret=SECRET + "x"))
    with pytest.raises(StoreError, match="access was refused") as raised:
        machine.open()
    assert url in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_bucket_that_does_not_exist_is_an_error(azurite: Azurite, tmp_path: Path) -> None:
    """SeaweedFS would make it."""
    with pytest.raises(StoreError, match="no such bucket") as raised:
        Machine("az://nobody-made-this/x", tmp_path, azurite.env).open()
    assert "az://nobody-made-this/x" in str(raised.value)


def test_who_may_only_read_reuses_what_others_computed_and_keeps_their_own_work_here(
    url: str, there: Machine, seaweedfs: SeaweedFS, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = kept.store(there.open(), kept.key("theirs"), kept.table(1))
    publish(there.open(), theirs=theirs.reference)
    reader = Machine(url, tmp_path / "reader", environment(seaweedfs.endpoint, key=f"{KEY}-reader"))
    results = reader.open()
    mine = kept.store(results, kept.key("mine"), kept.table(2))
    publish(results, mine=mine.reference)
    assert "access was refused" in caplog.text
    newer = kept.store(there.open(), kept.key("newer"), kept.table(3))
    for opened in (results, reader.open()):
        assert current(opened) == {"theirs": theirs.reference, "mine": mine.reference}
        for n, result in enumerate((theirs, mine, newer), 1):
            assert kept.verified(opened, result.reference) == [{"n": n}]
    assert current(there.open()) == {"theirs": theirs.reference}


# Large files.


def test_a_file_of_many_parts_comes_back_and_is_never_whole_in_memory(
    url: str, seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    """In a process of its own, whose peak memory is its own."""
    script = """
import os, resource, sys
from pathlib import Path
from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.keep.results import open_results
folder = Path(sys.argv[2])
root = BucketRoot.of(sys.argv[1], local=folder / "local", spool=folder / "spool", env=os.environ)
results = open_results(root)
source = results.store.temporary()
with source.open("wb") as file:
    for i in range(200):
        file.write(os.urandom(1 << 20))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
blob = results.put_blob(source)
results.store.forget(f"blobs/{blob.digest.hex[:2]}/{blob.digest.hex}")
assert results.open_blob(blob).stat().st_size == 200 << 20
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    env = {**os.environ, **seaweedfs.env}
    done = subprocess.run(
        [sys.executable, "-c", script, url, str(tmp_path)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 120  # megabytes

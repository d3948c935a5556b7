"""Whoever moves many bytes says how far it is, to the thread that asked for it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa
from servers.seaweedfs import SeaweedFS

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.keep.bucket_client import settings_of
from odibi_assets.keep.formats import frame
from odibi_assets.keep.movement import heard_by, moved
from odibi_assets.keep.object_store import PART_BYTES, ObjectStore

Heard = list[tuple[str, int, int]]


def test_a_frame_tells_of_each_group_of_rows_that_is_encoded(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array(range(2_500_000), pa.int64())})
    heard: Heard = []
    with heard_by(lambda *one: heard.append(one)):
        frame.write(table, tmp_path / "frame")
    assert [how for how, *_ in heard] == ["encoded"] * 3
    assert [done for _, done, _ in heard] == sorted({done for _, done, _ in heard})
    assert heard[-1] == ("encoded", table.nbytes, table.nbytes)
    assert frame.read(tmp_path / "frame").equals(table)


def test_a_bucket_tells_of_each_part(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    name = seaweedfs.make_bucket(f"moved-{uuid.uuid4().hex[:8]}")
    root = BucketRoot.of(f"s3://{name}/x", local=tmp_path / "local", spool=tmp_path / "spool", env=seaweedfs.env)
    store = ObjectStore(root, settings_of(root), tmp_path / "local")
    file, size = tmp_path / "file", 2 * PART_BYTES + 5
    file.write_bytes(bytes(size))
    heard: Heard = []
    with heard_by(lambda *one: heard.append(one)):
        store.upload("blobs/aa/b", file)
        assert store.fetch("blobs/aa/b") is not None
    expected = [PART_BYTES, 2 * PART_BYTES, size]
    assert heard == [(how, done, size) for how in ("sent", "fetched") for done in expected]


def test_nobody_need_listen() -> None:
    moved("read", 1, 2)
    heard: Heard = []
    with heard_by(lambda *one: heard.append(one)):
        moved("read", 2, 2)
    moved("read", 2, 2)
    assert heard == [("read", 2, 2)]

"""Saved states in a bucket: what one machine saves, another takes over."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from servers.s3 import environment
from servers.seaweedfs import SeaweedFS

from odibi_assets.declare.bucket_root import BucketRoot
from odibi_assets.errors import DamagedObject
from odibi_assets.identify.digest import Digest
from odibi_assets.keep.results import open_results
from odibi_assets.keep.saved_state import SavedState, SavedStates

KEY = Digest.of_bytes(b"key")


def states(seaweedfs: SeaweedFS, bucket: str, folder: Path) -> SavedStates:
    env = environment(f"http://127.0.0.1:{seaweedfs.port}")
    root = BucketRoot.of(f"s3://{bucket}/store", local=folder / "local", spool=folder / "spool", env=env)
    return SavedStates(open_results(root).store)


def save(states: SavedStates, data: bytes, folder: Path) -> SavedState:
    path = folder / "value"
    path.write_bytes(data)
    state = SavedState("pages", "fetched", KEY, "", "bytes", Digest.of_bytes(data), "run", "2013-01-01", "2013-01-01")
    states.save(state, path)
    return state


def test_what_one_machine_saves_in_a_bucket_another_takes_over(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    bucket = seaweedfs.make_bucket(f"state-{uuid.uuid4().hex[:8]}")
    one, other = (states(seaweedfs, bucket, tmp_path / name) for name in ("one", "other"))
    earlier = save(one, b"page 1", tmp_path)
    state = save(one, b"page 2", tmp_path)
    assert other.get("pages", KEY) == state
    assert other.open(state).read_bytes() == b"page 2"
    with pytest.raises(DamagedObject):
        other.open(earlier)
    other.discard("pages", KEY)
    assert one.get("pages", KEY) is None
    assert one.names() == ()

"""Of many who would compute a key, one does; a holder that is gone loses the lease."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from killed import in_fork

from odibi_assets.identify.digest import Digest
from odibi_assets.keep import canonical_json
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.lease import LOST_AFTER_S, Leases, stale_leases

KEY, OTHER = Digest.of_bytes(b"key"), Digest.of_bytes(b"other")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def test_one_of_two_gets_the_lease_until_it_is_given_back(store: FolderStore) -> None:
    one, two = Leases(store, "one"), Leases(store, "two")
    assert one.take(KEY)
    assert one.take(KEY)
    assert not two.take(KEY)
    assert two.take(OTHER)
    one.release(KEY)
    assert two.take(KEY)
    assert not one.take(KEY)


def test_giving_back_what_is_not_held_leaves_the_holder_alone(store: FolderStore) -> None:
    one, two = Leases(store, "one"), Leases(store, "two")
    one.take(KEY)
    two.release(KEY)
    assert not two.take(KEY)


def test_a_killed_holder_loses_the_lease_at_once(store: FolderStore) -> None:
    def take_and_die() -> None:
        assert Leases(store, "one").take(KEY)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_fork(take_and_die) == -signal.SIGKILL
    assert list(stale_leases(store)) == [f"leases/{KEY.hex}"]
    two = Leases(store, "two")
    assert two.take(KEY)
    assert list(stale_leases(store)) == []


def test_a_holder_on_another_host_loses_it_when_it_stops_renewing(store: FolderStore) -> None:
    def elsewhere(renewal: str) -> bytes:
        holder = f"not-{socket.gethostname()}/1/1"
        return canonical_json.dump({"process": holder, "run_id": "one", "renewal": renewal})

    name, now = f"leases/{KEY.hex}", [0.0]
    store.put(name, elsewhere("a"))
    two = Leases(store, "two", clock=lambda: now[0])
    assert not two.take(KEY)
    now[0] = LOST_AFTER_S - 1
    assert not two.take(KEY)
    store.put(name, elsewhere("b"))
    now[0] = LOST_AFTER_S
    assert not two.take(KEY)
    now[0] = 2 * LOST_AFTER_S
    assert two.take(KEY)
    assert list(stale_leases(store)) == []


def test_a_renewed_lease_is_still_the_holders(store: FolderStore) -> None:
    one, two = Leases(store, "one"), Leases(store, "two")
    one.take(KEY)
    one.renew()
    assert not two.take(KEY)
    one.release(KEY)
    assert two.take(KEY)


def test_who_lost_a_lease_neither_renews_nor_gives_back_that_of_another(store: FolderStore) -> None:
    one, two = Leases(store, "one"), Leases(store, "two")
    one.take(KEY)
    store.delete(f"leases/{KEY.hex}")
    assert two.take(KEY)
    one.renew()
    one.release(KEY)
    assert not Leases(store, "three").take(KEY)


def test_a_damaged_lease_is_nobodys(store: FolderStore) -> None:
    store.put(f"leases/{KEY.hex}", b"{")
    assert list(stale_leases(store)) == [f"leases/{KEY.hex}"]
    assert Leases(store, "one").take(KEY)

"""The folder store passes the contract, and leaves a folder that can be trusted after a crash."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from odibi_assets.errors import StoreError, UsageError
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.keep.results import open_results
from odibi_assets.testing import StoreContract


class TestFolderStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path / "store")

    def raw_get(self, store: FolderStore, name: str) -> bytes | None:
        path = store.root / name
        return path.read_bytes() if path.is_file() else None

    def raw_put(self, store: FolderStore, name: str, data: bytes) -> None:
        path = store.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def files(store: FolderStore) -> set[str]:
    return {str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()}


def test_no_temporary_file_is_left_behind(store: FolderStore) -> None:
    store.put("a/put", b"1")
    store.create("a/created", b"1")
    store.create("a/created", b"2")
    store.swap("a/swapped", None, b"1")
    store.swap("a/swapped", b"other", b"2")
    assert {name for name in files(store) if ".locks" not in name} == {"a/put", "a/created", "a/swapped"}


def test_no_temporary_file_is_left_behind_when_a_write_fails(store: FolderStore) -> None:
    store.put("a/b/c", b"")
    for fails in (lambda: store.put("a/b", b"1"), lambda: store.swap("a/b", None, b"1")):
        with pytest.raises(StoreError):
            fails()
    assert {name for name in files(store) if ".locks" not in name} == {"a/b/c"}


def test_a_reader_of_a_fetched_file_keeps_its_bytes_when_it_is_replaced_or_deleted(store: FolderStore) -> None:
    store.put("a", b"first")
    path = store.fetch("a")
    assert path is not None
    with path.open("rb") as file:
        store.put("a", b"second")
        store.delete("a")
        assert file.read() == b"first"


def test_put_file_crosses_file_systems(store: FolderStore, tmp_path: Path) -> None:
    shared_memory = Path("/dev/shm")
    if not shared_memory.is_dir() or shared_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    source = shared_memory / f"odibi-assets-test-{os.getpid()}"
    source.write_bytes(b"content")
    store.put_file("blobs/1", source)
    assert store.get("blobs/1") == b"content"
    assert not source.exists()
    assert files(store) == {"blobs/1"}


def test_a_store_below_a_file_reports_its_name_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderStore(tmp_path / "file")
    for write in (
        lambda: store.put("a/b", b""),
        lambda: store.create("a/b", b""),
        lambda: store.swap("a/b", None, b""),
        store.temporary,
    ):
        with pytest.raises(StoreError, match="writable and has room") as raised:
            write()
        assert str(tmp_path / "file") in str(raised.value)


def test_results_in_a_file_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="is a file"):
        open_results(tmp_path / "file")


def test_a_folder_that_can_not_be_read_is_an_error_and_not_an_empty_list(store: FolderStore) -> None:
    store.put("a/b", b"")
    (store.root / "loop").symlink_to("loop")
    with pytest.raises(StoreError, match="list 'loop'"):
        list(store.list("loop"))


def test_a_file_system_without_hard_links_creates_under_a_lock(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such file system is at hand, so the kernel's answer is."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda i=i: answers.append(store.create("a/b", b"%d" % i))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 7 + [True]
    assert store.swap("a/c", None, b"1")
    assert not store.create("a/c", b"2")
    assert list(store.list("a")) == ["a/b", "a/c"]


def test_a_child_forked_while_a_swap_holds_its_lock_blocks_nobody_later(store: FolderStore) -> None:
    """A lock belongs to the open file, which a child shares: closing it in the parent is not enough."""
    store.put("head", b"0")
    reader, writer = os.pipe()
    with store._locked(store.root / "head"):
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)  # Until the parent closes its end.
            os._exit(0)
    os.close(reader)
    swapped = threading.Event()
    thread = threading.Thread(target=lambda: store.swap("head", b"0", b"1") and swapped.set(), daemon=True)
    thread.start()
    thread.join(5)
    free = swapped.is_set()
    os.close(writer)
    os.waitpid(child, 0)
    thread.join()
    assert free

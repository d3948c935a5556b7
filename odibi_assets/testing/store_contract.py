"""The contract of a store, sentence by sentence: a backend is done when its subclass passes.

A backend's test module is one small subclass (zarr-python's ``StoreTests`` are the model)::

    from odibi_assets.testing import StoreContract

    class TestFolderStore(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return FolderStore(tmp_path / "store")

        def raw_get(self, store, name):
            path = store.root / name
            return path.read_bytes() if path.is_file() else None

        def raw_put(self, store, name, data):
            path = store.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

``store`` is empty and the test's own. ``raw_get`` and ``raw_put`` go past the store, to the medium
itself, so that a store that only remembers what it was told does not pass. Four processes are
part of the contract: they open the store with ``opener(store)``, by default a pickled copy.

The class has no ``Test`` in front of its name, so that pytest collects its subclasses only.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from odibi_assets.errors import StoreError
from odibi_assets.keep.store import Store

Opener = Callable[[], Store]

THREADS = 16
PROCESSES = 4
MOST_TRIES = 1000

NAMES_THAT_CLIMB = ("", "/", "/etc/passwd", ".", "..", "../x", "a/../../x", "a/..", "a/./b", "a//b", "a\\..\\b", "a\0b")
ODD_NAMES = ("a/with space", "a/größe", "a/100%25", "a/x=1&y=2", "a/plus+plus", "a/#hash?", "a/.dot", "a/" + "n" * 200)


class StoreContract:
    """Subclass it, give ``store``, ``raw_get`` and ``raw_put``; see the module's docstring.

    Attributes:
        rounds: How often many write one name at once; fewer where a server makes the losers wait.
    """

    rounds = 10

    @pytest.fixture
    def store(self) -> Any:
        """An empty store of the backend under test."""
        raise NotImplementedError("Give the subclass a fixture named 'store' that returns an empty store.")

    def raw_get(self, store: Any, name: str) -> bytes | None:
        """The bytes that the medium has under a name, read without the store; None if there is nothing."""
        raise NotImplementedError("Give the subclass a method raw_get(store, name) that reads past the store.")

    def raw_put(self, store: Any, name: str, data: bytes) -> None:
        """Write bytes to the medium under a name without the store."""
        raise NotImplementedError("Give the subclass a method raw_put(store, name, data) that writes past the store.")

    def opener(self, store: Any) -> Opener:
        """A picklable function that opens the same store in another process."""
        return partial(_itself, store)

    # Put, get, size.

    def test_what_is_put_lies_in_the_medium(self, store: Store) -> None:
        store.put("a/b", b"content")
        assert self.raw_get(store, "a/b") == b"content"

    def test_what_lies_in_the_medium_is_got(self, store: Store) -> None:
        self.raw_put(store, "a/b", b"content")
        assert store.get("a/b") == b"content"
        assert store.size("a/b") == 7
        assert list(store.list("a")) == ["a/b"]

    def test_get_size_and_fetch_of_nothing_are_none(self, store: Store) -> None:
        store.put("a/b", b"content")
        for name in ("a/c", "b", "a/b/c"):
            assert store.get(name) is None
            assert store.size(name) is None
            assert store.fetch(name) is None

    def test_the_folder_of_an_object_is_no_object(self, store: Store) -> None:
        store.put("a/b/c", b"content")
        for name in ("a", "a/b"):
            assert store.get(name) is None
            assert store.size(name) is None
            assert store.fetch(name) is None
            store.delete(name)
        assert store.get("a/b/c") == b"content"

    def test_put_takes_the_place_of_what_is_there(self, store: Store) -> None:
        store.put("a/b", b"a long first content")
        store.put("a/b", b"second")
        assert store.get("a/b") == self.raw_get(store, "a/b") == b"second"

    def test_putting_the_same_again_changes_nothing(self, store: Store) -> None:
        for _ in range(3):
            store.put("a/b", b"content")
        assert store.get("a/b") == b"content"
        assert list(store.list("a")) == ["a/b"]

    @pytest.mark.parametrize(
        "data",
        [b"", b"\0", b"\r\n\n", bytes(range(256)), b"x" * 3_000_001],
        ids=["empty", "a zero byte", "line ends", "every byte", "three megabytes"],
    )
    def test_bytes_and_their_number_come_back_exactly(self, store: Store, data: bytes) -> None:
        store.put("put", data)
        assert store.create("created", data)
        assert store.swap("swapped", None, data)
        for name in ("put", "created", "swapped"):
            assert store.get(name) == data
            assert store.size(name) == len(data)

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_a_name_comes_back_as_it_was_given(self, store: Store, name: str) -> None:
        store.put(name, b"content")
        assert store.get(name) == b"content"
        assert list(store.list("a")) == [name]
        store.delete(name)
        assert list(store.list("a")) == []

    def test_names_that_differ_by_an_ending_are_different(self, store: Store) -> None:
        names = ["a/x", "a/x.0", "a/x0", "a/y"]
        for name in names:
            assert store.create(name, name.encode())
        assert [store.get(name) for name in names] == [name.encode() for name in names]

    def test_the_name_of_the_store_is_text_for_messages(self, store: Store) -> None:
        assert isinstance(store.name, str)
        assert store.name

    # Create.

    def test_create_writes_where_nothing_is(self, store: Store) -> None:
        assert store.create("a/b", b"content") is True
        assert self.raw_get(store, "a/b") == b"content"

    def test_create_leaves_what_is_there_and_says_so(self, store: Store) -> None:
        store.put("put", b"first")
        self.raw_put(store, "raw", b"first")
        store.put("empty", b"")
        assert [store.create(name, b"second") for name in ("put", "raw", "empty")] == [False, False, False]
        assert [store.get(name) for name in ("put", "raw", "empty")] == [b"first", b"first", b""]

    def test_creating_the_same_bytes_again_is_no_success(self, store: Store) -> None:
        assert store.create("a/b", b"content") is True
        assert store.create("a/b", b"content") is False

    def test_of_16_threads_that_create_one_name_exactly_one_succeeds(self, store: Store) -> None:
        for round_number in range(self.rounds):
            name = f"a/{round_number}"
            datas = [f"{i}".encode() * 1000 for i in range(THREADS)]
            succeeded = _at_once([partial(store.create, name, data) for data in datas])
            assert succeeded.count(True) == 1
            assert succeeded.count(False) == THREADS - 1
            assert store.get(name) == datas[succeeded.index(True)]

    def test_of_4_processes_that_create_one_name_exactly_one_succeeds(self, store: Store) -> None:
        rounds = 2 * self.rounds
        answers = _in_processes(_create_each, self.opener(store), rounds)
        for i in range(rounds):
            winners = [number for number, answer in enumerate(answers) if answer[i]]
            assert len(winners) == 1
            assert store.get(f"a/{i}") == f"{winners[0]}".encode()

    # Swap.

    def test_swap_from_nothing_writes_where_nothing_is(self, store: Store) -> None:
        assert store.swap("a/b", None, b"content") is True
        assert self.raw_get(store, "a/b") == b"content"

    def test_swap_from_nothing_leaves_what_is_there(self, store: Store) -> None:
        store.put("a/b", b"first")
        store.put("empty", b"")
        assert store.swap("a/b", None, b"second") is False
        assert store.swap("empty", None, b"second") is False
        assert (store.get("a/b"), store.get("empty")) == (b"first", b"")

    def test_swap_writes_over_the_expected_bytes_only(self, store: Store) -> None:
        self.raw_put(store, "a/b", b"first")
        assert store.swap("a/b", b"other", b"second") is False
        assert store.get("a/b") == b"first"
        assert store.swap("a/b", b"first", b"second") is True
        assert self.raw_get(store, "a/b") == b"second"
        assert store.swap("a/b", b"first", b"third") is False
        assert store.get("a/b") == b"second"

    def test_swap_of_nothing_with_bytes_expected_writes_nothing(self, store: Store) -> None:
        assert store.swap("a/b", b"first", b"second") is False
        assert store.swap("a/c", b"", b"second") is False
        assert store.get("a/b") is None
        assert list(store.list("a")) == []

    def test_a_swap_sees_what_put_wrote_in_between(self, store: Store) -> None:
        assert store.swap("a/b", None, b"first")
        store.put("a/b", b"second")
        assert store.swap("a/b", b"first", b"third") is False
        assert store.swap("a/b", b"second", b"third") is True

    def test_a_swap_leaves_nothing_beside_its_object(self, store: Store) -> None:
        assert store.swap("a/b", None, b"first")
        assert store.swap("a/b", b"first", b"second")
        assert not store.swap("a/b", b"first", b"third")
        assert list(store.list("a")) == ["a/b"]

    def test_concurrent_swaps_of_threads_lose_no_update(self, store: Store) -> None:
        _at_once([partial(_count_up, store, "counter", self.rounds) for _ in range(8)])
        assert store.get("counter") == b"%d" % (8 * self.rounds)

    def test_concurrent_swaps_of_processes_lose_no_update(self, store: Store) -> None:
        _in_processes(_count_up_opened, self.opener(store), 2 * self.rounds)
        assert store.get("counter") == b"%d" % (PROCESSES * 2 * self.rounds)

    def test_of_creates_and_swaps_from_nothing_exactly_one_succeeds(self, store: Store) -> None:
        for round_number in range(2 * self.rounds):
            name = f"a/{round_number}"
            datas = [f"{i}".encode() for i in range(THREADS)]
            succeeded = _at_once(
                partial(store.create, name, data) if i % 2 else partial(store.swap, name, None, data)
                for i, data in enumerate(datas)
            )
            assert succeeded.count(True) == 1
            assert store.get(name) == datas[succeeded.index(True)]

    # List.

    def test_list_is_in_order_and_below_the_prefix_only(self, store: Store) -> None:
        for name in ("a/c", "a/b/2", "a/b/1", "a/b/10", "ab", "abc", "b/a", "a/B", "a/b.x"):
            store.put(name, b"")
        expected = sorted(["a/c", "a/b/2", "a/b/1", "a/b/10", "a/B", "a/b.x"])
        assert list(store.list("a")) == expected
        assert list(store.list("a/")) == expected
        assert list(store.list("a/b")) == ["a/b/1", "a/b/10", "a/b/2"]

    def test_list_of_nothing_is_empty(self, store: Store) -> None:
        store.put("a/b", b"")
        assert list(store.list("b")) == []
        assert list(store.list("a/bc")) == []

    def test_a_thousand_objects_are_listed_completely(self, store: Store) -> None:
        names = sorted(f"many/{i % 7}/{i:04}" for i in range(1000))
        for name in reversed(names):
            store.put(name, b"")
        store.put("many-others/1", b"")
        assert list(store.list("many")) == names
        assert list(store.list("many/3")) == [name for name in names if name.startswith("many/3/")]

    # Names.

    @pytest.mark.parametrize("name", NAMES_THAT_CLIMB)
    def test_a_name_that_climbs_is_refused(self, store: Store, tmp_path: Path, name: str) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"content")
        for action in (
            lambda: store.get(name),
            lambda: store.size(name),
            lambda: store.put(name, b""),
            lambda: store.create(name, b""),
            lambda: store.swap(name, None, b""),
            lambda: store.put_file(name, source),
            lambda: store.fetch(name),
            lambda: list(store.list(name)),
            lambda: store.delete(name),
            lambda: store.forget(name),
        ):
            with pytest.raises(StoreError):
                action()
        assert source.read_bytes() == b"content"

    # Files.

    def test_a_temporary_path_is_new_each_time_and_can_be_written(self, store: Store) -> None:
        paths = [store.temporary() for _ in range(10)]
        assert len(set(paths)) == 10
        for path in paths:
            assert not path.exists()
            path.write_bytes(b"content")

    def test_put_file_moves_a_file_into_the_store(self, store: Store) -> None:
        source = store.temporary()
        source.write_bytes(b"content")
        store.put_file("blobs/1", source)
        assert self.raw_get(store, "blobs/1") == b"content"
        assert not source.exists()

    def test_put_file_takes_a_file_from_anywhere(self, store: Store, tmp_path: Path) -> None:
        source = tmp_path / "elsewhere"
        source.write_bytes(b"content")
        store.put_file("blobs/1", source)
        assert store.get("blobs/1") == b"content"
        assert not source.exists()

    def test_put_file_leaves_an_object_that_is_there(self, store: Store) -> None:
        store.put("blobs/1", b"first")
        source = store.temporary()
        source.write_bytes(b"second")
        store.put_file("blobs/1", source)
        assert store.get("blobs/1") == b"first"
        assert not source.exists()

    def test_many_threads_put_one_file(self, store: Store) -> None:
        content = bytes(range(256)) * 4000
        sources = [store.temporary() for _ in range(THREADS)]
        for source in sources:
            source.write_bytes(content)
        _at_once([partial(store.put_file, "blobs/1", source) for source in sources])
        assert store.get("blobs/1") == content
        assert not any(source.exists() for source in sources)

    def test_a_file_that_is_not_put_yet_is_not_listed(self, store: Store) -> None:
        store.put("blobs/1", b"")
        store.temporary().write_bytes(b"unfinished")
        assert list(store.list("blobs")) == ["blobs/1"]

    def test_fetch_gives_a_local_file_with_the_bytes(self, store: Store) -> None:
        source = store.temporary()
        source.write_bytes(b"content")
        store.put_file("blobs/1", source)
        self.raw_put(store, "blobs/2", b"other")
        fetched = [store.fetch("blobs/1"), store.fetch("blobs/2")]
        assert [path.read_bytes() for path in fetched if path is not None] == [b"content", b"other"]

    def test_a_file_can_be_fetched_again_after_its_copy_was_forgotten(self, store: Store) -> None:
        source = store.temporary()
        source.write_bytes(b"content")
        store.put_file("blobs/1", source)
        for _ in range(2):
            path = store.fetch("blobs/1")
            assert path is not None
            assert path.read_bytes() == b"content"
            store.forget("blobs/1")
        assert self.raw_get(store, "blobs/1") == b"content"

    def test_catching_up_with_nothing_kept_back_does_nothing(self, store: Store) -> None:
        store.put("a/b", b"content")
        store.catch_up()
        assert list(store.list("a")) == ["a/b"]

    # Delete.

    def test_delete_removes(self, store: Store) -> None:
        store.put("a/b", b"content")
        store.put("a/c", b"content")
        store.delete("a/b")
        assert self.raw_get(store, "a/b") is None
        assert store.get("a/b") is None
        assert store.size("a/b") is None
        assert store.fetch("a/b") is None
        assert list(store.list("a")) == ["a/c"]

    def test_deleting_nothing_does_nothing(self, store: Store) -> None:
        store.put("a/b", b"content")
        store.delete("a/b")
        for name in ("a/b", "a/c", "x/y/z"):
            store.delete(name)
        store.put("a/b", b"again")
        store.delete("a/b/c")
        assert store.get("a/b") == b"again"

    def test_a_deleted_name_can_be_created_and_swapped_from_nothing(self, store: Store) -> None:
        for name in ("a/b", "a/c"):
            store.put(name, b"content")
            store.delete(name)
        assert store.create("a/b", b"again")
        assert store.swap("a/c", None, b"again")

    # Many at once.

    def test_another_process_sees_what_this_one_wrote(self, store: Store) -> None:
        store.put("a/b", b"content")
        assert _in_processes(_got, self.opener(store), "a/b", count=1) == [b"content"]

    def test_threads_that_write_different_names_do_not_disturb_one_another(self, store: Store) -> None:
        names = [f"new/{i % 4}/{i}" for i in range(64)]
        _at_once([partial(store.put, name, name.encode()) for name in names], threads=THREADS)
        assert list(store.list("new")) == sorted(names)
        assert [store.get(name) for name in names] == [name.encode() for name in names]

    @pytest.mark.parametrize("writes_by", ["put", "swap"])
    def test_a_reader_never_sees_part_of_an_object_that_is_replaced(self, store: Store, writes_by: str) -> None:
        whole = [b"a" * 2_000_003, b"b" * 1_000_001]
        store.put("object", whole[0])
        written = threading.Event()
        seen: list[object] = []

        def write() -> None:
            try:
                for i in range(60):
                    if writes_by == "put":
                        store.put("object", whole[(i + 1) % 2])
                    else:
                        assert store.swap("object", whole[i % 2], whole[(i + 1) % 2])
            finally:
                written.set()

        def read() -> None:
            while not written.is_set():
                found = store.get("object")
                if found not in whole:
                    seen.append(None if found is None else (len(found), found[:1], found[-1:]))
                path = store.fetch("object")
                if path is None or path.read_bytes() not in whole:
                    seen.append("fetch")
                if (size := store.size("object")) not in {len(data) for data in whole}:
                    seen.append(size)

        _at_once([write, read, read])
        assert seen == []

    def test_a_reader_never_sees_part_of_an_object_that_is_created(self, store: Store) -> None:
        data = b"c" * 2_000_003
        for round_number in range(10):
            name = f"a/{round_number}"
            source = store.temporary()
            source.write_bytes(data)
            created = threading.Event()
            seen: list[int] = []

            def write(name: str = name, source: Path = source, created: threading.Event = created) -> None:
                try:
                    store.create(name, data)
                    store.put_file(f"{name}-file", source)
                finally:
                    created.set()

            def read(name: str = name, created: threading.Event = created, seen: list[int] = seen) -> None:
                while not created.is_set():
                    for part in (name, f"{name}-file"):
                        found = store.get(part)
                        if found is not None and found != data:
                            seen.append(len(found))

            _at_once([write, read])
            assert seen == []


def _itself(store: Store) -> Store:
    return store


def _at_once(actions: Iterable[Callable[[], Any]], *, threads: int | None = None) -> list[Any]:
    """Run actions in threads that start together; returns their answers, in order."""
    actions = list(actions)
    start = threading.Barrier(threads or len(actions))

    def run(action: Callable[[], Any]) -> Any:
        start.wait()
        return action()

    with ThreadPoolExecutor(threads or len(actions)) as pool:
        return list(pool.map(run, actions))


def _in_processes(
    work: Callable[[Store, int, Any], Any], opener: Opener, argument: Any, *, count: int = PROCESSES
) -> list[Any]:
    """Run ``work(store, number, argument)`` in processes that start together; returns their answers, in order.

    They are spawned, not forked: a client of a bucket has threads.
    """
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(count)
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    processes = [
        context.Process(target=_process, args=(work, opener, number, argument, start, sender), daemon=True)
        for number, (_, sender) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    for _, sender in pipes:
        sender.close()
    try:
        return [_answer(receiver) for receiver, _ in pipes]
    finally:
        for process in processes:
            process.join()


def _answer(receiver: Any) -> Any:
    try:
        return receiver.recv()
    except EOFError:
        raise AssertionError("A process that used the store died; its traceback is in the captured output.") from None


def _process(
    work: Callable[[Store, int, Any], Any], opener: Opener, number: int, argument: Any, start: Any, sender: Any
) -> None:
    try:
        store = opener()
        start.wait()
        sender.send(work(store, number, argument))
    except BaseException:
        start.abort()
        raise


def _create_each(store: Store, number: int, rounds: int) -> list[bool]:
    return [store.create(f"a/{i}", f"{number}".encode()) for i in range(rounds)]


def _count_up(store: Store, name: str, times: int) -> None:
    for _ in range(times):
        for _ in range(MOST_TRIES):
            found = store.get(name)
            if store.swap(name, found, b"%d" % (int(found or b"0") + 1)):
                break
        else:
            raise AssertionError(f"{MOST_TRIES} swaps of what get gave failed: of concurrent swaps one must succeed")


def _count_up_opened(store: Store, number: int, times: int) -> None:
    _count_up(store, "counter", times)


def _got(store: Store, number: int, name: str) -> bytes | None:
    return store.get(name)

"""The contract refuses stores that break one of its sentences: a suite that can't fail proves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BROKEN_STORES = '''
import pytest
from odibi_assets.keep.folder_store import FolderStore
from odibi_assets.testing import StoreContract


class WritesInPlace(FolderStore):
    def put(self, name, data):
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            for start in range(0, len(data), 65536):
                file.write(data[start : start + 65536])
                file.flush()


class LooksThenCreates(FolderStore):
    def create(self, name, data):
        if self.get(name) is not None:
            return False
        self.put(name, data)
        return True


class ComparesThenWrites(FolderStore):
    def swap(self, name, expected, data):
        if self.get(name) != expected:
            return False
        self.put(name, data)
        return True


class ListsOnePage(FolderStore):
    def list(self, prefix):
        for number, name in enumerate(super().list(prefix)):
            if number == 999:
                return
            yield name


class ListsByPrefix(FolderStore):
    def list(self, prefix):
        folder, _, last = prefix.rstrip("/").rpartition("/")
        for path in sorted(self.root.glob("**/*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and ".locks" not in name and name.startswith(prefix):
                yield name


class Climbs(FolderStore):
    def _path(self, name):
        return self.root / name


class OverwritesFiles(FolderStore):
    def put_file(self, name, source):
        self.put(name, source.read_bytes())
        source.unlink()


class Remembers(FolderStore):
    """Answers from memory, and writes nothing."""

    def __init__(self, root):
        super().__init__(root)
        self.objects = {}

    def get(self, name):
        return self.objects.get(name)

    def put(self, name, data):
        self.objects[name] = data


class FailsOnNothing(FolderStore):
    def delete(self, name):
        self._path(name).unlink()


class Raw:
    def raw_get(self, store, name):
        path = store.root / name
        return path.read_bytes() if path.is_file() else None

    def raw_put(self, store, name, data):
        path = store.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def contract(kind):
    class Contract(Raw, StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return kind(tmp_path / "store")

    Contract.__name__ = Contract.__qualname__ = f"Test{kind.__name__}"
    return Contract


for kind in (WritesInPlace, LooksThenCreates, ComparesThenWrites, ListsOnePage, ListsByPrefix, Climbs, OverwritesFiles,
             Remembers, FailsOnNothing):
    globals()[f"Test{kind.__name__}"] = contract(kind)


class TestNothingGiven(StoreContract):
    pass
'''

NOTICED_BY = {
    "WritesInPlace": "test_a_reader_never_sees_part_of_an_object_that_is_replaced[put]",
    "LooksThenCreates": "test_of_16_threads_that_create_one_name_exactly_one_succeeds",
    "ComparesThenWrites": "test_concurrent_swaps_of_threads_lose_no_update",
    "ListsOnePage": "test_a_thousand_objects_are_listed_completely",
    "ListsByPrefix": "test_list_is_in_order_and_below_the_prefix_only",
    "Climbs": "test_a_name_that_climbs_is_refused[../x]",
    "OverwritesFiles": "test_put_file_leaves_an_object_that_is_there",
    "Remembers": "test_what_is_put_lies_in_the_medium",
    "FailsOnNothing": "test_deleting_nothing_does_nothing",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of the broken stores, each tried on the sentence that it breaks."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "test_broken.py").write_text(BROKEN_STORES)
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=line", "-p", "no:cacheprovider"]
    sentences = [f"test_broken.py::Test{store}::{sentence}" for store, sentence in NOTICED_BY.items()]
    sentences.append("test_broken.py::TestNothingGiven::test_create_writes_where_nothing_is")
    env = {**os.environ, "COLUMNS": "300"}
    done = subprocess.run(
        [*command, *sentences, "--rootdir", str(folder)], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("store", NOTICED_BY)
def test_a_store_that_breaks_a_sentence_is_noticed(report: str, store: str) -> None:
    assert f"FAILED test_broken.py::Test{store}::{NOTICED_BY[store]}" in report


def test_a_subclass_that_gives_no_store_is_told_what_to_give(report: str) -> None:
    assert "ERROR test_broken.py::TestNothingGiven::test_create_writes_where_nothing_is" in report
    assert "fixture named 'store'" in report


def test_the_contract_itself_is_not_collected() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--doctest-modules", "--import-mode=importlib"]
    package = Path(__file__).parents[2] / "odibi_assets" / "testing"
    done = subprocess.run([*command, str(package)], capture_output=True, text=True)
    assert "StoreContract::" not in done.stdout
    assert "rror" not in done.stdout


def test_importing_the_library_does_not_import_pytest() -> None:
    modules = "sys, odibi_assets, odibi_assets.keep.store, odibi_assets.keep.results"
    code = f"import {modules}; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

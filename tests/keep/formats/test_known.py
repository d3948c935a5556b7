"""Every format: what is handed on is what the store gives back, and what would not come back is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from odibi_assets.errors import DamagedObject, NotStorable, StoreError
from odibi_assets.keep.formats.files import captured, differs, put_at
from odibi_assets.keep.formats.kept import Kept
from odibi_assets.keep.formats.known import FORMATS, read_output, suitable
from odibi_assets.keep.formats.pickled import SIGNING_VARIABLE
from odibi_assets.keep.result import Output
from odibi_assets.keep.results import Results, open_results


@dataclass
class Basket:
    fruit: list[str]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return open_results(tmp_path / "store")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "sub" / "run.sh").chmod(0o755)
    (folder / "same.txt").write_text("a")
    (folder / "same.txt").chmod(0o755)
    return folder


def stored(format: str, value: Any, results: Results, folder: Path) -> tuple[Kept, Output]:
    kept = FORMATS[format].settle(value, shared=True, folder=folder)
    return kept, kept.output(FORMATS[format].write(kept, results))


VALUES: dict[str, tuple[str, Any]] = {
    "text": ("text", "Grüße\n\x00"),
    "no text": ("text", ""),
    "bytes": ("bytes", b"\x00\xff"),
    "json": ("json", {"b": [1, 2.5, None, True, "é"], "a": {"": -0.0}, "big": 2**70}),
    "a number": ("json", 3),
    "an array": ("numpy", np.arange(6, dtype="<i2").reshape(2, 3)),
    "an array in Fortran's order": ("numpy", np.asfortranarray(np.arange(6.0).reshape(2, 3))),
    "an array of no dimension": ("numpy", np.array(1.5)),
    "times": ("numpy", np.array(["2013-01-01", "NaT"], "datetime64[ns]")),
    "arrays by name": ("numpy", {"w": np.eye(2), "b": np.zeros(0, bool)}),
    "a pickled object": ("pickle", Basket(["apple"])),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was_handed_on(name: str, results: Results, tmp_path: Path) -> None:
    format, value = VALUES[name]
    kept, output = stored(format, value, results, tmp_path)
    back = read_output(output, results)
    assert back.version == kept.version == output.version
    fresh, reused = (FORMATS[format].hand_over(each, tmp_path) for each in (kept, back))
    assert repr(fresh) == repr(reused) == repr(value)
    assert type(fresh) is type(reused) is type(value)


@pytest.mark.parametrize("name", VALUES)
def test_equal_values_have_one_version_and_others_another(name: str, tmp_path: Path) -> None:
    versions = {
        other: FORMATS[format].settle(value, shared=True, folder=tmp_path).version
        for other, (format, value) in VALUES.items()
    }
    assert [other for other, version in versions.items() if version == versions[name]] == [name]


@pytest.mark.parametrize("name", ["json", "an array", "arrays by name", "a pickled object"])
def test_a_taker_may_change_what_it_was_handed(name: str, tmp_path: Path) -> None:
    format, value = VALUES[name]
    kept = FORMATS[format].settle(value, shared=True, folder=tmp_path)
    taken = FORMATS[format].hand_over(kept, tmp_path)
    if isinstance(taken, Basket):
        taken.fruit.append("pear")
    elif isinstance(taken, dict):
        taken.clear()
    else:
        taken[:] = 9
    assert repr(FORMATS[format].hand_over(kept, tmp_path)) == repr(value)


def test_a_maker_may_change_its_array_later(tmp_path: Path) -> None:
    array = np.zeros(3)
    kept = FORMATS["numpy"].settle(array, shared=True, folder=tmp_path)
    array[:] = 1
    assert FORMATS["numpy"].hand_over(kept, tmp_path).sum() == 0


CHANGES = {
    "a tuple": ((1, 2), [1, 2], "value: tuple became list"),
    "a number of NumPy": ({"auc": np.float64(0.5)}, {"auc": 0.5}, "value.auc: numpy.float64 became float"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_type_in_json_is_listed(name: str, tmp_path: Path) -> None:
    value, expected, change = CHANGES[name]
    kept = FORMATS["json"].settle(value, shared=True, folder=tmp_path)
    assert FORMATS["json"].hand_over(kept, tmp_path) == expected
    assert kept.changes == (change,)


REFUSED: dict[str, tuple[str, Any, str]] = {
    "a number as text": ("text", 5, "builtins.int: expected a str"),
    "half a character": ("text", "\ud800", "UTF-8"),
    "text as bytes": ("bytes", "x", "expected bytes"),
    "NaN in JSON": ("json", {"a": [float("nan")]}, r"value\.a\[0\] is nan"),
    "a number as a key": ("json", {1: 2}, "A key of value"),
    "a set in JSON": ("json", {"a": {1}}, r"value\.a is a builtins\.set"),
    "half a character in JSON": ("json", ["\ud800"], r"value\[0\] holds text"),
    "objects in an array": ("numpy", np.array([object()]), "Python objects"),
    "a masked array": ("numpy", np.ma.array([1]), "expected a plain"),
    "a list as an array": ("numpy", [1], "expected a numpy.ndarray"),
    "no arrays": ("numpy", {}, "expected a numpy.ndarray"),
    "a function as a pickle": ("pickle", lambda: 1, "can't be pickled"),
    "nothing as a file": ("file", None, "expected the path of a file"),
    "a file that is not there": ("file", Path("/nowhere/x"), "nothing at /nowhere/x"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_come_back_is_refused(name: str, tmp_path: Path) -> None:
    format, value, message = REFUSED[name]
    with pytest.raises(NotStorable, match=message):
        FORMATS[format].settle(value, shared=True, folder=tmp_path)


SUITABLE = {
    "text": "x", "bytes": b"x", "json": [1], "numpy": {"a": np.eye(1)}, "file": Path(__file__),
    "folder": Path(__file__).parent,
}  # fmt: skip


@pytest.mark.parametrize("format", SUITABLE)
def test_a_value_without_a_declaration_gets_the_format_that_suits_it(format: str) -> None:
    assert suitable(SUITABLE[format]) == format


# Files and folders.


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_folder_comes_back_with_its_files_empty_folders_and_what_may_be_executed(
    results: Results, tree: Path, tmp_path: Path
) -> None:
    kept, output = stored("folder", tree, results, tmp_path / "aside")
    expected = names(tree)
    shutil.rmtree(tree)
    back = FORMATS["folder"].hand_over(read_output(output, results), tmp_path / "handed")
    assert names(back) == expected
    assert (back / "sub/run.sh").stat().st_mode & (back / "same.txt").stat().st_mode & 0o100
    assert not (back / "a.txt").stat().st_mode & 0o100
    assert captured(back).version() == kept.version
    assert len(output.blobs) == 3, "a listing, and each content once"


def test_a_folder_that_changes_after_the_step_is_kept_as_it_was(results: Results, tree: Path, tmp_path: Path) -> None:
    kept = FORMATS["folder"].settle(tree, shared=True, folder=tmp_path / "aside")
    (tree / "a.txt").write_text("other")
    output = kept.output(FORMATS["folder"].write(kept, results))
    back = FORMATS["folder"].hand_over(read_output(output, results), tmp_path / "handed")
    assert (back / "a.txt").read_text() == "a"


@pytest.mark.parametrize("change", ["content", "name", "mode", "new", "gone", "empty folder"])
def test_every_change_of_a_folder_changes_its_version_and_is_put_right(change: str, tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "original")
    original = captured(tmp_path / "original")
    {
        "content": lambda: (tree / "a.txt").write_text("b"),
        "name": lambda: (tree / "a.txt").rename(tree / "b.txt"),
        "mode": lambda: (tree / "a.txt").chmod(0o755),
        "new": lambda: (tree / "new.txt").write_text(""),
        "gone": lambda: (tree / "sub/run.sh").unlink(),
        "empty folder": lambda: (tree / "sub/empty").rmdir(),
    }[change]()
    assert differs(original, tree)
    put_at(original, tree)
    assert names(tree) == names(tmp_path / "original")
    assert not differs(original, tree)
    assert not list(tree.parent.glob(".tree-*")), "nothing is left beside it"


def test_a_file_keeps_its_suffix(results: Results, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    _, output = stored("file", tmp_path / "x.csv", results, tmp_path / "aside")
    back = FORMATS["file"].hand_over(read_output(output, results), tmp_path / "handed")
    assert (back.suffix, back.read_text()) == (".csv", "a\n1\n")


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", ""])
def test_a_listing_that_leads_out_of_the_folder_is_refused(
    path: str, results: Results, tree: Path, tmp_path: Path
) -> None:
    _, output = stored("folder", tree, results, tmp_path / "aside")
    listing = results.store.temporary()
    data = json.loads(results.open_blob(output.blobs[0]).read_bytes())
    data["files"].append([path or ".", *data["files"][0][1:]])
    listing.write_text(json.dumps(data))
    forged = Output(output.version, "folder", (results.put_blob(listing), *output.blobs[1:]))
    with pytest.raises(StoreError, match="no name of a stored object"):
        read_output(forged, results)


def test_a_link_to_nothing_is_refused(tree: Path, tmp_path: Path) -> None:
    (tree / "link").symlink_to("nowhere")
    with pytest.raises(NotStorable, match="link to nothing"):
        FORMATS["folder"].settle(tree, shared=True, folder=tmp_path)


# Damage and trust.


@pytest.mark.parametrize("name", ["text", "json", "an array", "arrays by name"])
def test_a_record_that_names_other_bytes_is_damage(name: str, results: Results, tmp_path: Path) -> None:
    format, value = VALUES[name]
    _, output = stored(format, value, results, tmp_path)
    _, other = stored(format, {"text": "other", "json": 7, "numpy": np.eye(3)}[format], results, tmp_path)
    with pytest.raises((DamagedObject, ValueError)):
        read_output(Output(output.version, format, other.blobs), results)


def test_a_pickle_is_loaded_only_with_the_signature_of_this_key(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_VARIABLE, "one")
    _, output = stored("pickle", Basket(["apple"]), results, tmp_path)
    assert FORMATS["pickle"].hand_over(read_output(output, results), tmp_path) == Basket(["apple"])
    monkeypatch.setenv(SIGNING_VARIABLE, "another")
    with pytest.raises(StoreError, match="no valid signature"):
        read_output(output, results)


def test_a_shared_store_keeps_and_gives_no_pickle_without_a_key(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, output = stored("pickle", Basket([]), results, tmp_path)
    monkeypatch.setattr(type(results.store), "is_shared", True)
    with pytest.raises(StoreError, match=f"set {SIGNING_VARIABLE}"):
        read_output(output, results)
    with pytest.raises(StoreError, match="only with a signature"):
        stored("pickle", Basket([]), results, tmp_path)

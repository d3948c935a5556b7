"""The cache of file digests spares reading and is fooled by nothing; globs stay below the root."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from odibi_assets.errors import OdibiAssetsError, UsageError
from odibi_assets.identify import file_digest
from odibi_assets.identify.digest import Digest
from odibi_assets.identify.file_digest import FileDigests, match, on_network


def settled(cache: Path | None = None) -> FileDigests:
    """Digests taken when every file is at rest for long."""
    return FileDigests(cache, now=lambda: time.time() + 10)


def remembered(digests: FileDigests) -> int:
    return len(digests._entries)


def next_tick(path: Path) -> None:
    """Wait until the file system's clock has moved on from a file's last change."""
    probe = path.with_name("probe")
    before = path.stat().st_ctime_ns
    while True:
        probe.write_text("")
        if probe.stat().st_ctime_ns > before:
            return


def test_a_file_is_read_once_while_it_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    digests = settled()
    assert digests.digest(path) == Digest.of_bytes(b"one")
    monkeypatch.setattr(file_digest.Digest, "of_file", None)
    assert digests.digest(path) == Digest.of_bytes(b"one")


@pytest.mark.parametrize("text", ["two", "other"])
@pytest.mark.parametrize("way", ["rewritten", "replaced", "unlinked and created"])
def test_a_change_with_its_time_restored_is_seen(tmp_path: Path, text: str, way: str) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    digests = settled()
    digests.digest(path)
    before = path.stat()
    next_tick(path)
    if way == "rewritten":
        path.write_text(text)
    elif way == "replaced":
        (tmp_path / "b").write_text(text)
        os.replace(tmp_path / "b", path)
    else:
        path.unlink()
        path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert digests.digest(path) == Digest.of_bytes(text.encode())


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    digests = FileDigests()
    digests.digest(tmp_path / "a")
    assert remembered(digests) == 0


def test_a_time_from_the_future_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    os.utime(tmp_path / "a", (time.time() + 1000, time.time() + 1000))
    digests = settled()
    digests.digest(tmp_path / "a")
    assert remembered(digests) == 0


def test_the_cache_is_kept_between_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("one")
    first = settled(tmp_path / "local" / "files.json")
    first.digest(tmp_path / "a")
    first.save()
    monkeypatch.setattr(file_digest.Digest, "of_file", None)
    assert settled(tmp_path / "local" / "files.json").digest(tmp_path / "a") == Digest.of_bytes(b"one")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"v": 1}', '{"v": 9, "files": {}}', '{"v": 1, "files": 3}', "\x00"])
def test_a_damaged_cache_costs_time_and_nothing_else(tmp_path: Path, damage: str) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "files.json").write_text(damage)
    digests = settled(tmp_path / "files.json")
    assert digests.digest(tmp_path / "a") == Digest.of_bytes(b"one")
    digests.save()
    assert json.loads((tmp_path / "files.json").read_text())["v"] == 1


@pytest.mark.parametrize("entry", ["x", [], [1], [[1, 2, 3], None], None])
def test_a_damaged_entry_costs_time_and_nothing_else(tmp_path: Path, entry: object) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    found = path.stat()
    cache = {"v": 1, "files": {f"{found.st_dev}:{found.st_ino}": entry}}
    (tmp_path / "files.json").write_text(json.dumps(cache))
    assert settled(tmp_path / "files.json").digest(path) == Digest.of_bytes(b"one")


def test_a_cache_that_can_not_be_written_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "file").write_text("")
    digests = settled(tmp_path / "file" / "files.json")
    digests.digest(tmp_path / "a")
    digests.save()
    assert (tmp_path / "file").read_text() == ""


def test_a_file_that_keeps_changing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("x")
    real = Digest.of_file

    def growing(target: Path) -> Digest:
        with path.open("a") as stream:
            stream.write("x")
        return real(target)

    monkeypatch.setattr(file_digest.Digest, "of_file", growing)
    with pytest.raises(OdibiAssetsError, match="changed each time it was read"):
        settled().digest(path)


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    real, calls = Digest.of_file, []

    def once(target: Path) -> Digest:
        found = real(target)
        if not calls:
            path.write_text("after!!")
        calls.append(target)
        return found

    monkeypatch.setattr(file_digest.Digest, "of_file", once)
    assert settled().digest(path) == Digest.of_bytes(b"after!!")


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
def test_a_network_file_system_is_never_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(file_digest, "_mounts", lambda: [("/", "ext4"), (str(tmp_path), kind)])
    (tmp_path / "a").write_text("one")
    assert on_network(tmp_path / "a")
    assert not on_network(tmp_path.parent / "b")
    digests = settled()
    digests.digest(tmp_path / "a")
    assert remembered(digests) == 0


def test_a_local_mount_inside_a_network_one_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_digest, "_mounts", lambda: [("/", "nfs"), (str(tmp_path), "ext4")])
    assert not on_network(tmp_path / "a")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "shop [1]"
    for name in ("data/b.csv", "data/a.csv", "data/a.txt", "data/deep/er/c.csv", "data/.hidden.csv", "x[1].csv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (tmp_path / "outside.csv").write_text("secret")
    return root


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("data/a.csv", ["data/a.csv"]),
        ("data/*.csv", ["data/a.csv", "data/b.csv"]),
        ("data/**/*.csv", ["data/a.csv", "data/b.csv", "data/deep/er/c.csv"]),
        ("data/[a].*", ["data/a.csv", "data/a.txt"]),
        ("data/?.csv", ["data/a.csv", "data/b.csv"]),
        ("./data/a.csv", ["data/a.csv"]),
        ("x[1].csv", ["x[1].csv"]),
    ],
)
def test_a_glob_gives_files_in_the_order_of_their_names(data: Path, pattern: str, names: list[str]) -> None:
    assert [str(path.relative_to(data)) for path in match(data, pattern)] == names


@pytest.mark.parametrize("pattern", ["data/*.parquet", "missing.csv", "empty"])
def test_a_glob_or_folder_without_a_file_is_refused(data: Path, pattern: str) -> None:
    (data / "empty" / "_temporary").mkdir(parents=True)
    (data / "empty" / "_temporary" / "x.csv").touch()
    (data / "empty" / "_SUCCESS").touch()
    with pytest.raises(UsageError, match="No file matches"):
        match(data, pattern)


def test_a_folder_stands_for_all_files_below_it_that_are_not_hidden(data: Path) -> None:
    (data / "data" / "_SUCCESS").touch()
    (data / "data" / ".a.csv.crc").touch()
    names = [str(path.relative_to(data)) for path in match(data, "data")]
    assert names == ["data/a.csv", "data/a.txt", "data/b.csv", "data/deep/er/c.csv"]


@pytest.mark.parametrize("pattern", ["../outside.csv", "link.csv", "*.csv", "folder/outside.csv"])
def test_nothing_outside_the_root_is_matched(data: Path, pattern: str) -> None:
    (data / "link.csv").symlink_to(data.parent / "outside.csv")
    (data / "folder").symlink_to(data.parent)
    with pytest.raises(UsageError, match="outside the project root"):
        match(data, pattern)


def test_a_link_inside_the_root_is_followed(data: Path) -> None:
    (data / "link.csv").symlink_to(data / "data" / "a.csv")
    assert match(data, "link.csv") == [data / "link.csv"]

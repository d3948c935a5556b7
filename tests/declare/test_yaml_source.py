"""YAML as plain data with lines; whatever is not plain data is one mistake, never a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from odibi_assets.declare.mistake import DefinitionError, Mistake
from odibi_assets.declare.yaml_source import parse_yaml, read_yaml


def refused(text: str) -> Mistake:
    with pytest.raises(DefinitionError) as caught:
        parse_yaml(text, file="pipe.yaml")
    (only,) = caught.value.mistakes
    return only


def test_every_value_has_the_line_it_stands_on() -> None:
    source = parse_yaml("a: 1\nb:\n  - c\n  - d: {e: 2,\n         f: 3}\n", file="pipe.yaml")
    assert source.data == {"a": 1, "b": ["c", {"d": {"e": 2, "f": 3}}]}
    assert source.line(("b", 1, "d", "f")) == 5
    assert source.line(("b", 0)) == 3


def test_a_place_that_is_not_there_has_the_line_around_it() -> None:
    source = parse_yaml("a: 1\nb:\n  c: 2\n", file="pipe.yaml")
    assert source.line(("b", "missing", 3)) == 2
    assert source.line(("nothing",)) == 1


def test_a_part_of_a_file_keeps_its_lines() -> None:
    part = parse_yaml("type: x\nattributes:\n  name: y\n  steps: [1]\n", file="p").below("attributes")
    assert part.data == {"name": "y", "steps": [1]}
    assert part.line(("steps",)) == 4


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "true", "On"])
def test_words_that_yaml_reads_as_truth_stay_texts_as_keys(word: str) -> None:
    assert parse_yaml(f"{word}: {word}", file="p").data == {word: word.lower() in ("on", "yes", "true")}


def test_a_key_that_stands_twice_is_a_mistake_of_the_second() -> None:
    source = parse_yaml("a: {b: 1}\nc: 2\na: 3\n", file="pipe.yaml")
    assert [(m.line, m.key, m.found, m.expected) for m in source.mistakes] == [
        (3, "a", "a a second time", "each key once")
    ]


def test_a_merge_key_gives_defaults() -> None:
    source = parse_yaml("x: &x {a: 1, b: 2}\ny: {b: 3, <<: *x}\n", file="pipe.yaml")
    assert source.data["y"] == {"a": 1, "b": 3}
    assert source.mistakes == ()


def test_a_key_twice_beside_a_merge_is_still_a_mistake() -> None:
    assert len(parse_yaml("x: &x {a: 1}\ny: {b: 3, <<: *x, b: 4}\n", file="pipe.yaml").mistakes) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b: c", 1),
        ("a: 1\n  b: 2\n", 2),
        ("a: [1, 2\nb: 3\n", 2),
        ("a: 1\nb: *unknown\n", 2),
        ("a: 'not closed\n", 2),
        ("\tname: x\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2),
        ("a: 1\nb: !own x\n", 2),
        ("a: 1\nb: !own {x: 1}\n", 2),
        ("a: 1\nb: !!set {x}\n", 2),
        ("a: !!bool perhaps\n", 1),
        ("a: 1\nb: !!int ''\n", 2),
        ("a: 1\nb: !!timestamp soon\n", 2),
        ("a: 2013-02-30\n", 1),
        ("a: &a [*a]\n", 1),
        ("a: 1\n<<: 2\n", 2),
        ("[" * 5000, 1),
        ("a: \x00\n", 1),
        ("a: \ud800\n", 1),
    ],
)
def test_what_is_not_plain_yaml_is_a_mistake_with_a_line(text: str, line: int) -> None:
    mistake = refused(text)
    assert (mistake.file, mistake.line, mistake.expected) == ("pipe.yaml", line, "a YAML document")


def test_anchors_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "do anchors multiply" in refused("\n".join(lines)).found


def test_no_tag_runs_code(tmp_path: Path) -> None:
    refused(f"a: !!python/object/apply:pathlib.Path.touch [{tmp_path / 'made'}]")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("data", [b"a: \xff\xfe\n", b"\xff\xfea\x00:\x00"])
def test_a_file_that_is_not_utf8_is_a_mistake(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "pipe.yaml").write_bytes(data)
    with pytest.raises(DefinitionError, match="expected a readable UTF-8 file"):
        read_yaml(tmp_path / "pipe.yaml", file="pipe.yaml")


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="No such file"):
        read_yaml(tmp_path / "pipe.yaml", file="pipe.yaml")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "pipe.yaml").write_bytes(b"\xef\xbb\xbfname: x\r\nsteps: [a]\r\n")
    source = read_yaml(tmp_path / "pipe.yaml", file="pipe.yaml")
    assert source.data == {"name": "x", "steps": ["a"]}
    assert source.line(("steps",)) == 2

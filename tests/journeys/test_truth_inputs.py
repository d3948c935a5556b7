"""Versions and inputs, sentence by sentence (truth.md 3 and 4): a change, and exactly the steps that run after it.

All rows share one project and begin where the last one ended, so each says what it changes and nothing else. Which test
shows a sentence that no row here can show stands in ``tests/test_truth.py``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from project_folder import ProjectFolder, Zygote

from .shop import computed

PIPELINE = """
    name: pipe
    params: {least: 1}
    steps:
      - {name: rows, layer: bronze, read: {format: csv, path: "data/*.csv", options: {comment: "#"}}}
      - {name: hive, layer: bronze, read: {format: csv, path: "hive/*/x.csv"}}
      - {name: plain, layer: silver, inputs: [rows], sql: select * from rows where n >= 1}
      - {name: grouped, layer: silver, inputs: [rows], sql: "select n % 2 as k, count(*) as c from rows group by all"}
      - {name: hived, layer: silver, inputs: [hive], sql: select k from hive order by k}
      - {name: made, layer: silver, inputs: [rows], python: "transforms:made"}
      - {name: after_made, layer: gold, inputs: [made], sql: select * from made}
      - {name: after_grouped, layer: gold, inputs: [grouped], sql: select * from grouped order by k}
      - {name: watched, layer: silver, inputs: [rows], python: "transforms:watched"}
      - {name: after_watched, layer: gold, inputs: [watched], sql: select * from watched}
      - {name: declared, layer: silver, files: ["declared/*.parquet"], python: "transforms:declared"}
      - {name: fetched, layer: bronze, python: "transforms:fetched", cache: {source_version: "1"}}
      - {name: lasting, layer: bronze, python: "transforms:fetched", cache: {ttl: 86400}}
      - {name: dated, layer: silver, inputs: [rows], sql: "select *, current_date as day from rows"}
      - name: program
        layer: silver
        inputs: [rows]
        command: [sh, tool.sh, one]
        files: [tool.sh]
        env: [WANTED]
        outputs: {out: {format: text, path: out.txt}}
    """
TRANSFORMS = """
    import os
    import pathlib
    import time

    import pandas as pd


    def made(rows):
        found = rows.assign(m=rows["n"] * 2)
        return found


    def watched(rows):
        note = pathlib.Path("note.txt").read_text()
        other = pathlib.Path("other.txt").exists()
        listed = len(os.listdir("listed"))
        with open("log.txt", "a") as log:
            log.write("x")
        time.sleep(0)
        return rows.assign(seen=f"{note}{other}{listed}{os.environ.get('SEEN')}")


    def declared():
        return pd.read_parquet("declared/a.parquet")


    def fetched():
        return pd.DataFrame({"a": [1]})
    """
ALL = """rows hive plain grouped hived made after_made after_grouped watched after_watched declared fetched lasting
    dated program""".split()
OF_ROWS = {"rows", "plain", "grouped", "made", "after_made", "watched", "after_watched", "dated", "program"}

Change = Callable[[ProjectFolder], object]


@dataclass(frozen=True)
class Row:
    """A sentence, a change, what must run after it; nothing else may."""

    change: Change
    runs: frozenset[str]


def row(change: Change, *runs: str) -> Row:
    return Row(change, frozenset(runs))


def edit(file: str, old: str, new: str) -> Change:
    return lambda project: project.edit(file, old, new)


def write(file: str, text: str) -> Change:
    return lambda project: project.write(file, text)


def env(name: str, value: str) -> Change:
    return lambda project: project.env.update({name: value})


def replace_and_restore_times(project: ProjectFolder) -> None:
    """Other content of equal size in place of a file, with the times that it had."""
    path = project.root / "data/a.csv"
    found, text = path.stat(), path.read_text()
    path.unlink()
    path.write_text(text.replace("1\n", "7\n"))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def in_another_order(project: ProjectFolder) -> None:
    data = project.root / "data"
    (data / "a.csv").rename(data / "x")
    (data / "b.csv").rename(data / "a.csv")
    (data / "x").rename(data / "b.csv")


def parquet(project: ProjectFolder, value: int) -> None:
    import pandas as pd

    (project.root / "declared").mkdir(exist_ok=True)
    pd.DataFrame({"a": [value]}).to_parquet(project.root / "declared/a.parquet")


ROWS: dict[str, Row] = {
    "3.1 a type is part of the version": row(
        edit("transforms.py", 'rows["n"] * 2', 'rows["n"] * 2.0'), "made", "after_made"
    ),
    "3.1 columns in order": row(
        edit("transforms.py", "return found", 'return found[["m", "n"]]'), "made", "after_made"
    ),
    "3.1 independent of chunks": row(
        edit("transforms.py", 'found[["m", "n"]]', 'pd.concat([found.iloc[:1], found.iloc[1:]])[["m", "n"]]'), "made"
    ),
    "3.1 nulls": row(
        edit("transforms.py", 'rows["n"] * 2.0', 'rows["n"].where(rows["n"] > 1) * 2.0'), "made", "after_made"
    ),
    "3.1 index with names": row(
        edit("transforms.py", '[["m", "n"]]', '[["m", "n"]].rename_axis("i")'), "made", "after_made"
    ),
    "3.2 consumers are keyed on the sequence digest": row(
        edit("transforms.py", '.rename_axis("i")', '.rename_axis("i").iloc[::-1]'), "made", "after_made"
    ),
    "3.2 deterministic: true": row(
        edit("pipe.yaml", "name: grouped, layer", "name: grouped, deterministic: true, layer"), "grouped"
    ),
    "3.2 ORDER BY": row(
        edit("pipe.yaml", "group by all", "group by all order by k"), "grouped"
    ),
    "3.4 early cut-off": row(edit("transforms.py", "* 2.0", "* 4.0 / 2.0"), "made"),
    "3.6 A, then B": row(edit("transforms.py", "* 4.0 / 2.0", "* 5.0"), "made", "after_made"),
    "3.6 back to A everything is a hit": row(edit("transforms.py", "* 5.0", "* 4.0 / 2.0")),
    "4.1 content of the files": row(write("data/b.csv", "n\n4\n"), *OF_ROWS, "after_grouped"),
    "4.1 a comment that the reader skips reads it again and nothing else": row(
        write("data/b.csv", "n\n# four\n4\n"), "rows"
    ),
    "4.1 not the path where it is no data": row(
        lambda project: (project.root / "data/b.csv").rename(project.root / "data/c.csv")
    ),
    "4.1 the ordered list": row(
        lambda project: (project.root / "data/c.csv").rename(project.root / "data/Z.csv"),
        *(OF_ROWS - {"grouped"}), "grouped",
    ),
    "4.1 a file more, an empty one": row(write("data/z.csv", "n\n"), "rows"),
    "4.1 a folder that the reader makes data of": row(
        lambda project: (project.root / "hive/k=1").rename(project.root / "hive/k=3"), "hive", "hived"
    ),
    "4.1 read options": row(edit("pipe.yaml", 'comment: "#"', 'comment: "#", skip_blank_lines: true'), "rows"),
    "4.2 a touched file": row(lambda project: os.utime(project.root / "data/a.csv", (1, 1))),
    "4.2 a replaced file of equal size with restored times": row(replace_and_restore_times, *OF_ROWS),
    "4.4 source_version, another": row(edit("pipe.yaml", 'source_version: "1"', 'source_version: "2"'), "fetched"),
    "4.4 ttl, not over": row(lambda project: None),
    "4.4 ttl, over": row(edit("pipe.yaml", "ttl: 86400", "ttl: 0"), "lasting"),
    "4.4 ttl, longer again": row(edit("pipe.yaml", "ttl: 0", "ttl: 86400")),
    "4.5 a file that the step opens": row(write("note.txt", "two"), "watched", "after_watched"),
    "4.5 a missing file that it looks for": row(write("other.txt", ""), "watched", "after_watched"),
    "4.5 a folder that it lists": row(write("listed/b", ""), "watched", "after_watched"),
    "4.5 a variable that it takes": row(env("SEEN", "yes"), "watched", "after_watched"),
    "4.5 a variable that nobody takes": row(env("UNSEEN", "yes")),
    "4.5 a file that is only appended to": row(write("log.txt", "gone")),
    "4.5 a file that nobody reads": row(write("unread.txt", "")),
    "4.5 a trace that holds again, of an earlier result": row(
        lambda project: [project.write("note.txt", "one"), (project.root / "other.txt").unlink(),
                         (project.root / "listed/b").unlink(), project.env.pop("SEEN")]),
    "4.5 a native reader whose files are declared": row(lambda project: parquet(project, 2), "declared"),
    "4.5 a command's arguments": row(edit("pipe.yaml", "tool.sh, one", "tool.sh, two"), "program"),
    "4.5 a command's files": row(edit("tool.sh", "echo $1", "echo $1 ."), "program"),
    "4.5 a command's env": row(env("WANTED", "2"), "program"),
    "4.5 a command's other variables are cleared": row(env("UNWANTED", "2")),
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> ProjectFolder:
    project = ProjectFolder(tmp_path_factory.mktemp("inputs"), zygote)
    project.write("pipe.yaml", PIPELINE)
    project.write("transforms.py", TRANSFORMS)
    project.write("data/a.csv", "n\n1\n2\n")
    project.write("data/b.csv", "n\n3\n")
    project.write("hive/k=1/x.csv", "v\n1\n")
    project.write("hive/k=2/x.csv", "v\n1\n")
    project.write("note.txt", "one")
    project.write("listed/a", "")
    project.write("tool.sh", "echo $1 > out.txt\n")
    project.env["WANTED"] = "1"
    parquet(project, 1)
    assert computed(project.outcomes()) == set(ALL)
    return project


@pytest.mark.parametrize("sentence", ROWS)
def test_a_change_runs_exactly_what_the_sentence_says(project: ProjectFolder, sentence: str) -> None:
    one = ROWS[sentence]
    one.change(project)
    assert computed(project.outcomes()) == one.runs


REFUSED = {
    "4.3 from 'x.csv'": ("select * from 'data/a.csv'", "declare a read step"),
    "4.3 a table function that reads": ("select * from read_csv('data/a.csv')", "declare a read step"),
    "4.3 a table that is no input": ("select * from other", "an input of the step"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_sql_sees_its_inputs_and_nothing_else(project: ProjectFolder, sentence: str, tmp_path: Path) -> None:
    statement, told = REFUSED[sentence]
    shutil.copytree(project.root / "data", tmp_path / "data")
    other = ProjectFolder(tmp_path, project.zygote)
    other.write(
        "pipe.yaml",
        f"""
        name: pipe
        steps:
          - {{name: rows, layer: bronze, read: {{format: csv, path: "data/*.csv"}}}}
          - {{name: seen, layer: silver, inputs: [rows], sql: "{statement}"}}
        """,
    )
    answer = other.oda("validate", "pipe.yaml")
    assert answer.status != 0
    assert told in answer.text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("rows.assign(mixed=[1, 'one', None])", "'mixed'"),
        ("rows.assign(span=pd.interval_range(0, len(rows)))", "'span'"),
        ("pd.concat([rows, rows], axis=1)", "'n'"),
    ],
    ids=["3.3 values of several types", "3.3 a type that can't be written", "3.3 a name that stands twice"],
)
def test_what_would_not_come_back_is_an_error_that_names_the_column(
    project: ProjectFolder, body: str, told: str, tmp_path: Path
) -> None:
    shutil.copytree(project.root / "data", tmp_path / "data")
    other = ProjectFolder(tmp_path, project.zygote)
    other.write(
        "pipe.yaml",
        """
        name: pipe
        steps:
          - {name: rows, layer: bronze, read: {format: csv, path: data/a.csv}}
          - {name: kept, layer: silver, inputs: [rows], python: "transforms:kept"}
        """,
    )
    other.write("transforms.py", f"import pandas as pd\n\ndef kept(rows):\n    rows = pd.concat([rows, rows])[:3]\n"
                f"    return {body}\n")  # fmt: skip
    document = other.run(status=1)
    assert told in next(step["error"] for step in document["steps"] if step["name"] == "kept")

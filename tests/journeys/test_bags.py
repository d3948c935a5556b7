"""A statement that promises no order and comes out with the rows that it had moves nothing after it (truth.md 3.2)."""

from __future__ import annotations

import pytest
from project_folder import ProjectFolder

from .shop import computed


def make(project: ProjectFolder, sql: str) -> None:
    project.write("rows.csv", "k,v\na,1\nb,2\nc,3\n")
    project.write(
        "pipe.yaml",
        f"""
        name: pipe
        steps:
          - {{name: rows, layer: bronze, read: {{format: csv, path: rows.csv}}}}
          - {{name: found, layer: silver, inputs: [rows], sql: "{sql}"}}
          - {{name: after, layer: gold, inputs: [found], sql: select * from found}}
        """,
    )


def turned(project: ProjectFolder) -> None:
    """The same rows the other way round: what is made of them comes out in another order."""
    project.write("rows.csv", "k,v\nc,3\nb,2\na,1\n")


UNORDERED = {
    "a join": "select r.k, r.v from rows as r join (select 1 as x) on true",
    "an aggregate": "select k, sum(v) as v from rows group by k",
    "distinct": "select distinct k, v from rows",
    "a set operation": "select k, v from rows except select 'z', 1",
}


@pytest.mark.parametrize("kind", UNORDERED)
def test_the_same_rows_in_another_order_stop_there(project: ProjectFolder, kind: str) -> None:
    make(project, UNORDERED[kind])
    project.run()
    before = project.data("found")
    turned(project)
    first = {step["name"]: step for step in project.run()["steps"]}
    assert {name for name, step in first.items() if step["outcome"] == "computed"} == {"rows", "found"}
    assert project.data("found") == before
    assert computed(project.outcomes()) == set()


def test_another_row_goes_on(project: ProjectFolder) -> None:
    make(project, UNORDERED["an aggregate"])
    project.run()
    project.write("rows.csv", "k,v\nc,3\nb,2\na,2\n")
    assert computed(project.outcomes()) == {"rows", "found", "after"}
    assert sorted(row["v"] for row in project.data("after")) == [2, 2, 3]


def test_a_plain_filter_keeps_the_order_of_its_rows(project: ProjectFolder) -> None:
    make(project, "select * from rows where v > 0")
    project.run()
    turned(project)
    assert computed(project.outcomes()) == {"rows", "found", "after"}
    assert [row["k"] for row in project.data("after")] == ["c", "b", "a"]


def test_an_order_that_is_asked_for_is_given_though_the_rows_are_the_same(project: ProjectFolder) -> None:
    make(project, "select k, sum(v) as v from rows group by k order by k")
    project.run()
    project.edit("pipe.yaml", "order by k", "order by k desc")
    assert computed(project.outcomes()) == {"found", "after"}
    assert [row["k"] for row in project.data("after")] == ["c", "b", "a"]


def test_a_forced_step_that_only_changes_its_order_is_not_called_nondeterministic(project: ProjectFolder) -> None:
    project.write("rows.csv", "k\n" + "".join(f"{i}\n" for i in range(20_000)))
    make_rows = (project.root / "rows.csv").read_text()
    make(project, "select distinct k from rows")
    project.write("rows.csv", make_rows)
    project.run()
    assert computed(project.outcomes("--force=found")) == {"found"}
    results = project.oda("cache", "ls", "found", "--json").json["results"]
    assert [result["nondeterministic"] for result in results] == [False]

"""`oda graph` draws a pipeline without running it, in the colours of its last outcomes."""

from __future__ import annotations

from xml.etree import ElementTree

from project_folder import ProjectFolder

from .shop import STEPS, make_shop


def test_the_graph_knows_the_last_outcome_of_each_step(project: ProjectFolder) -> None:
    make_shop(project)
    document = project.oda("graph", "pipe.yaml", "--json").json
    assert [node["name"] for node in document["nodes"]] == list(STEPS)
    assert {node["outcome"] for node in document["nodes"]} == {None}
    assert {"source": "big_orders", "target": "named_orders", "kind": "data"} in document["edges"]
    project.write("broken", "")
    project.run(status=1)
    (project.root / "broken").unlink()
    project.run("--select", "+big_orders")
    nodes = {node["name"]: node["outcome"] for node in project.oda("graph", "pipe.yaml", "--json").json["nodes"]}
    assert nodes == {
        "orders": "cached",
        "customers": "computed",
        "big_orders": "computed",
        "named_orders": "skipped",
        "totals": "skipped",
        "summary": "skipped",
    }


def test_the_format_follows_the_name_of_the_file_unless_it_is_given(project: ProjectFolder) -> None:
    make_shop(project)
    assert project.oda("graph", "shop").stdout.startswith("shop\n├─ bronze\n")
    assert "flowchart LR" in project.oda("graph", "shop", "--format", "mermaid").stdout
    for name in ("shop.svg", "shop.mmd", "shop.txt"):
        assert project.oda("graph", "shop", "--output", name).status == 0
    ElementTree.parse(project.root / "shop.svg")
    assert "flowchart LR" in (project.root / "shop.mmd").read_text()
    assert "├─ bronze" in (project.root / "shop.txt").read_text()
    assert project.oda("graph", "shop", "--output", "missing/shop.svg").status == 2
    assert project.oda("graph", "shop", "--format", "png").status == 2

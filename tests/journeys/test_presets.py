"""A preset in a real run, and what `oda plan --effective` says of it."""

from __future__ import annotations

from project_folder import ProjectFolder

PIPELINE = """
    name: pipe
    preset: PRESET
    retry: {max_retries: 1}
    steps:
      - {name: raw, layer: bronze, read: {format: csv, path: raw.csv}}
      - {name: total, layer: gold, inputs: [raw], timeout: 60, sql: select count(*) as n from raw}
    """


def make(project: ProjectFolder, preset: str) -> ProjectFolder:
    project.write("raw.csv", "n\n1\n")
    project.write("pipe.yaml", PIPELINE.replace("PRESET", preset))
    return project


def test_the_policies_are_printed_with_where_they_come_from(project: ProjectFolder) -> None:
    answer = make(project, "production").oda("plan", "pipe.yaml", "--effective")
    lines = [line.split() for line in answer.stdout.splitlines()]
    assert ["retry.max_retries", "1", "pipeline"] in lines
    assert ["retry.delay", "5", "preset"] in lines
    assert ["checkpoint.mode", "layer", "preset"] in lines
    assert ["total", "timeout", "60", "step"] in lines
    assert "2 miss" in answer.stdout or "1 miss" in answer.stdout


def test_the_policies_are_in_the_document(project: ProjectFolder) -> None:
    answer = make(project, "production").oda("plan", "pipe.yaml", "--effective", "--json")
    policies = answer.json["policies"]
    assert policies["preset"] == "production"
    assert {"name": "retry.delay", "value": 5.0, "origin": "preset"} in policies["pipeline"]
    assert {"name": "timeout", "value": 60.0, "origin": "step"} in policies["steps"]["total"]
    assert "policies" not in project.oda("plan", "pipe.yaml", "--json").json


def test_another_preset_computes_nothing_again_but_streaming_reuses_nothing(project: ProjectFolder) -> None:
    make(project, "production").run()
    assert set(make(project, "production-critical").outcomes().values()) == {"cached"}
    assert set(make(project, "streaming").outcomes().values()) == {"computed"}


def test_python_takes_a_preset(project: ProjectFolder) -> None:
    project.write("raw.csv", "n\n1\n")
    project.write(
        "shop.py",
        """
        import odibi_assets as oda

        shop = oda.Pipeline("shop", preset="production", retry=oda.Retry(max_retries=1))
        shop.read("raw", layer="bronze", format="csv", path="raw.csv")
        """,
    )
    policies = project.oda("plan", "shop.py:shop", "--effective", "--json").json["policies"]["pipeline"]
    assert {"name": "checkpoint.mode", "value": "layer", "origin": "preset"} in policies
    assert {"name": "retry.max_retries", "value": 1, "origin": "pipeline"} in policies

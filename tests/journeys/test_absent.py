"""Optional steps and conditions: what is absent, who is skipped by it, who goes on without, and who is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from project_folder import ProjectFolder
from servers.receivers import Webhook

PIPE = """
    name: shop
    params: {year: 2013}
    steps:
      - {name: orders, layer: bronze, read: {format: csv, path: data/orders.csv}}
      - {name: rates, layer: bronze, optional: true, python: "transforms:rates", files: [rates.csv]}
      - {name: rounded, layer: silver, inputs: [rates], sql: select round(rate) as rate from rates}
      - {name: report, layer: gold, python: "transforms:report",
         inputs: {orders: orders, rates: {step: rates, if_absent: none}}}
      - {name: total, layer: gold, python: "transforms:total",
         inputs: {orders: orders, rounded: {step: rounded, if_absent: none}}}
      - {name: after_rates, layer: gold, inputs: [orders], after: [rates], sql: select count(*) as n from orders}
      - {name: plain, layer: gold, inputs: [rounded], sql: select count(*) as n from rounded}
"""
TRANSFORMS = """
    import pandas as pd


    def rates():
        return pd.read_csv("rates.csv")


    def report(orders, rates):
        return pd.DataFrame({"n": [len(orders)], "with_rates": [rates is not None]})


    def total(orders, rounded):
        return pd.DataFrame({"n": [len(orders)], "with_rates": [rounded is not None]})
"""
WITHOUT_RATES = {
    "orders": "computed",
    "rates": "absent",
    "rounded": "skipped",
    "report": "computed",
    "total": "computed",
    "after_rates": "computed",
    "plain": "skipped",
}


def make_shop(project: ProjectFolder, more: str = "") -> ProjectFolder:
    """A shop whose exchange rates are optional, and not there yet."""
    project.write("pipe.yaml", PIPE)
    if more:
        project.edit("pipe.yaml", "name: shop\n", f"name: shop\n{more}\n")
    project.write("transforms.py", TRANSFORMS)
    project.write("data/orders.csv", "id\n1\n2\n")
    return project


def steps_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in document["steps"]}


WORKERS = pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["in process", "workers"])


@WORKERS
@pytest.mark.parametrize("checkpoint", ["auto", "layer"])
def test_an_optional_step_that_fails_is_absent_and_the_run_goes_on(
    project: ProjectFolder, workers: tuple[str, ...], checkpoint: str
) -> None:
    make_shop(project, f"checkpoint: {{mode: {checkpoint}}}")
    document = project.run(*workers)
    steps = steps_of(document)
    assert document["status"] == "success"
    assert {name: step["outcome"] for name, step in steps.items()} == WITHOUT_RATES
    assert "rates.csv" in steps["rates"]["error"]
    assert steps["rates"]["reason"] == "it failed, and is optional"
    assert steps["rounded"]["reason"] == "its input rates is absent"
    assert steps["plain"]["reason"] == "its input rounded is skipped"
    assert project.data("report") == [{"n": 2, "with_rates": False}]
    assert project.data("total") == [{"n": 2, "with_rates": False}]
    (run,) = project.oda("history", "pipe.yaml", "--json").json["runs"]
    assert (run["status"], run["can_resume"]) == ("success", False)


def test_a_result_with_and_one_without_the_input_are_two_that_are_both_found_again(project: ProjectFolder) -> None:
    make_shop(project)
    project.run()
    project.write("rates.csv", "rate\n1.5\n")
    assert project.plan()["report"]["outcome"] == "unknown"
    steps = steps_of(project.run())
    assert steps["report"]["outcome"] == "computed"
    assert steps["report"]["reason"] == "input rates was absent before"
    assert project.data("report") == [{"n": 2, "with_rates": True}]
    (project.root / "rates.csv").unlink()
    steps = steps_of(project.run())
    assert (steps["rates"]["outcome"], steps["report"]["outcome"]) == ("absent", "cached")
    assert project.data("report") == [{"n": 2, "with_rates": False}]
    project.write("rates.csv", "rate\n1.5\n")
    assert set(project.outcomes().values()) == {"cached"}
    assert project.data("report") == [{"n": 2, "with_rates": True}]


def test_the_reason_says_that_an_input_became_absent(project: ProjectFolder) -> None:
    make_shop(project).write("rates.csv", "rate\n1.5\n")
    project.run()
    (project.root / "rates.csv").unlink()
    assert steps_of(project.run())["report"]["reason"] == "input rates is absent"


def test_what_was_current_before_an_absence_stays_and_history_says_that_it_is_old(project: ProjectFolder) -> None:
    make_shop(project).write("rates.csv", "rate\n1.5\n")
    project.run()
    (project.root / "rates.csv").unlink()
    project.run()
    assert project.data("rates") == [{"rate": 1.5}]
    run = project.oda("history", "pipe.yaml", "--json").json["runs"][0]
    outcomes = run["steps"]
    assert (outcomes["rates"], outcomes["rounded"], outcomes["plain"]) == ("absent", "skipped", "skipped")


def test_the_last_attempt_counts(project: ProjectFolder) -> None:
    make_shop(project, "retry: {max_retries: 2}")
    project.edit(
        "transforms.py", 'return pd.read_csv("rates.csv")',
        'print("try", file=open("tries.log", "a")); raise ConnectionError("the bank is away")',
    )  # fmt: skip
    steps = steps_of(project.run())
    assert (steps["rates"]["outcome"], steps["rates"]["attempts"]) == ("absent", 3)
    assert steps["rates"]["error"] == "ConnectionError: the bank is away"
    assert (project.root / "tries.log").read_text().split() == ["try"] * 3


def test_an_optional_file_that_is_missing_is_absent(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("pipe.yaml", 'python: "transforms:rates", files: [rates.csv]', "read: {format: csv, path: rates.csv}")
    steps = steps_of(project.run())
    assert steps["rates"]["outcome"] == "absent"
    assert "rates.csv" in steps["rates"]["error"]


def test_a_time_out_makes_absent_and_a_run_timeout_does_not(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("transforms.py", 'return pd.read_csv("rates.csv")', "import time; time.sleep(600)")
    project.edit("pipe.yaml", "optional: true,", "optional: true, timeout: 0.2,")
    assert project.outcomes() == WITHOUT_RATES
    project.edit("pipe.yaml", "optional: true, timeout: 0.2,", "optional: true,")
    project.edit("pipe.yaml", "name: shop\n", "name: shop\nrun_timeout: 5\n")
    assert project.outcomes(status=1)["rates"] == "failed"


def test_a_failed_run_is_resumed_with_another_try_at_what_was_absent(project: ProjectFolder) -> None:
    make_shop(project, "on_error: continue")
    project.edit("transforms.py", "def report(orders, rates):", "def report(orders, rates):\n    open('there')")
    outcomes = project.outcomes(status=1)
    assert (outcomes["rates"], outcomes["report"], outcomes["total"]) == ("absent", "failed", "computed")
    project.write("there", "")
    project.write("rates.csv", "rate\n1.5\n")
    resumed = project.oda("resume", "pipe.yaml", "--json")
    steps = steps_of(resumed.json)
    assert resumed.json["status"] == "success"
    assert {name: step["outcome"] for name, step in steps.items()} == {
        **dict.fromkeys(WITHOUT_RATES, "computed"),
        "orders": "cached",
        "after_rates": "cached",
    }


# Conditions.


def make_years(project: ProjectFolder, condition: str = "{{ params.year > 2012 }}") -> ProjectFolder:
    make_shop(project).write("rates.csv", "rate\n1.5\n")
    project.edit("pipe.yaml", "optional: true", f'when: "{condition}"')
    return project


def test_a_condition_is_decided_by_the_plan(project: ProjectFolder) -> None:
    make_years(project)
    project.run()
    planned = project.plan("--set", "year=2012")
    assert planned["rates"]["outcome"] == "absent"
    assert planned["rates"]["reason"] == "its condition is false: params.year > 2012, with params.year = 2012"
    assert (planned["rounded"]["outcome"], planned["rounded"]["reason"]) == ("skipped", "its input rates is absent")
    assert (planned["plain"]["outcome"], planned["plain"]["reason"]) == ("skipped", "its input rounded is skipped")
    assert (planned["report"]["outcome"], planned["report"]["reason"]) == ("miss", "input rates is absent")
    project.edit("pipe.yaml", "year: 2013", "year: 2012")
    assert "rates does not run: its condition is false" in project.oda("why", "pipe.yaml", "rates").stdout


@WORKERS
def test_a_step_whose_condition_is_false_does_not_run(project: ProjectFolder, workers: tuple[str, ...]) -> None:
    make_years(project)
    document = project.run("--set", "year=2012", *workers)
    assert document["status"] == "success"
    assert {name: step["outcome"] for name, step in steps_of(document).items()} == WITHOUT_RATES
    assert project.data("total") == [{"n": 2, "with_rates": False}]
    again = project.run("--set", "year=2012", *workers)
    assert again["run_id"] is None
    outcomes = {name: step["outcome"] for name, step in steps_of(again).items()}
    assert outcomes == {name: "cached" if was == "computed" else was for name, was in WITHOUT_RATES.items()}


def test_a_condition_is_no_part_of_a_key(project: ProjectFolder) -> None:
    make_years(project)
    project.run()
    project.edit("pipe.yaml", "params.year > 2012", "params.year > 2011")
    assert {step["outcome"] for step in project.plan().values()} == {"hit"}


def test_a_condition_may_look_at_the_environment(project: ProjectFolder) -> None:
    make_years(project, "{{ env.REGION == 'eu' }}")
    assert project.plan()["rates"]["outcome"] == "absent"
    project.env["REGION"] = "eu"
    assert project.plan()["rates"]["outcome"] == "miss"
    project.run()
    project.env["REGION"] = "us"
    assert project.run("--select", "report")["steps"][0]["reason"] == "input rates is absent"


def test_a_condition_that_can_not_be_decided_is_an_error(project: ProjectFolder) -> None:
    make_years(project, "{{ env.YEAR > '2012' }}")
    answer = project.oda("plan", "pipe.yaml")
    assert answer.status == 2
    assert "Step 'rates'" in answer.text
    assert "compares a none with a text" in answer.text


def test_a_run_in_which_everything_is_absent_launches_none(project: ProjectFolder) -> None:
    project.write("pipe.yaml", """
        name: shop
        steps: [{name: orders, layer: bronze, when: false, read: {format: csv, path: data/orders.csv}}]
        """)  # fmt: skip
    document = project.run()
    assert (document["status"], document["run_id"]) == ("success", None)
    assert [step["outcome"] for step in document["steps"]] == ["absent"]


def test_selecting_a_consumer_takes_none_where_there_is_nothing_current(project: ProjectFolder) -> None:
    make_shop(project)
    project.run("--select", "orders")
    assert project.outcomes("--select", "report") == {"report": "computed"}
    assert project.data("report") == [{"n": 2, "with_rates": False}]
    refused = project.oda("run", "pipe.yaml", "--select", "rounded")
    assert refused.status == 2
    assert "'rates', which is not selected and has no current result" in refused.text


def test_what_is_skipped_on_demand_may_be_done_without_too(project: ProjectFolder) -> None:
    outcomes = make_shop(project).outcomes("--skip", "rates")
    assert (outcomes["rates"], outcomes["rounded"]) == ("skipped", "skipped")
    assert (outcomes["report"], outcomes["total"]) == ("computed", "computed")


def test_a_command_without_an_input_sees_no_variable_for_it(project: ProjectFolder) -> None:
    project.write("pipe.yaml", """
        name: shop
        steps:
          - {name: rates, layer: bronze, when: false, read: {format: csv, path: rates.csv}}
          - name: told
            layer: silver
            command: [sh, tell.sh]
            files: [tell.sh]
            inputs: {rates: {step: rates, if_absent: none}}
            outputs: {told: {path: told.txt, format: text}}
        """)  # fmt: skip
    project.write("tell.sh", 'echo "${ODA_INPUT_RATES:-no rates}" > told.txt\n')
    assert project.outcomes() == {"rates": "absent", "told": "computed"}
    assert (project.root / "told.txt").read_text() == "no rates\n"


# Who is told.


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as found:
        yield found


def test_a_channel_is_told_of_what_failed_and_is_optional(project: ProjectFolder, webhook: Webhook) -> None:
    url = webhook.url("token")
    make_shop(project, f'alerts: [{{url: "{url}", on: [step_absent, run_failed]}}]')
    project.run()
    (message,) = webhook.received
    assert message["title"] == "shop: step rates is absent"
    assert "rates.csv" in message["message"]
    assert "Skipped with it: rounded, plain" in message["message"]


def test_nobody_is_told_of_a_condition(project: ProjectFolder, webhook: Webhook) -> None:
    make_years(project)
    project.edit(
        "pipe.yaml", "name: shop\n", f'name: shop\nalerts: [{{url: "{webhook.url("x")}", on: [step_absent]}}]\n'
    )
    project.run("--set", "year=2012")
    assert webhook.received == []


def test_the_terminal_names_what_is_absent_and_why(project: ProjectFolder) -> None:
    text = make_shop(project).oda("run", "pipe.yaml").stdout
    assert "rates is absent after 1 attempt: FileNotFoundError" in text
    assert "shop: success" in text


def test_the_picture_marks_what_may_be_absent(project: ProjectFolder) -> None:
    make_shop(project)
    edges = project.oda("graph", "pipe.yaml", "--json").json["edges"]
    kinds = {(edge["source"], edge["target"]): edge["kind"] for edge in edges}
    assert kinds["rates", "report"] == "optional"
    assert kinds["rates", "rounded"] == kinds["orders", "report"] == "data"
    assert "rates?" in project.oda("graph", "pipe.yaml").stdout
    assert "step_rates -->|optional| step_report" in project.oda("graph", "pipe.yaml", "--format", "mermaid").stdout


def test_the_ui_shows_what_is_absent_at_the_asset_and_the_run_as_a_success(project: ProjectFolder) -> None:
    run_id = make_shop(project).run()["run_id"]
    home = project.root / "dagster_home"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.SUCCESS
        event = instance.get_latest_materialization_event(dg.AssetKey(["shop", "rates"]))
        assert event is not None and event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert metadata["outcome"].value == "absent"
        assert "rates.csv" in str(metadata["error"].value)
        assert instance.get_latest_materialization_event(dg.AssetKey(["shop", "plain"])) is None


def test_python_declares_the_same(project: ProjectFolder) -> None:
    project.write("pipe.py", """
        import json

        import pandas as pd

        import odibi_assets as oda

        shop = oda.Pipeline("shop")


        @shop.step(layer="bronze", optional=True)
        def rates():
            raise ValueError("no rates")


        @shop.step(layer="gold", inputs={"rates": {"step": "rates", "if_absent": "none"}})
        def report(rates):
            return pd.DataFrame({"with_rates": [rates is not None]})


        @shop.step(layer="gold", when="{{ 1 > 2 }}")
        def never():
            raise AssertionError


        @shop.on("step_absent")
        def tell(event: oda.StepAbsent) -> None:
            with open("told.json", "w") as file:
                json.dump([event.step, event.error, list(event.skipped)], file)
        """)  # fmt: skip
    document = project.run(pipeline="pipe.py:shop")
    assert json.loads((project.root / "told.json").read_text()) == ["rates", "ValueError: no rates", []]
    outcomes = {step["name"]: step["outcome"] for step in document["steps"]}
    assert outcomes == {"rates": "absent", "report": "computed", "never": "absent"}
    exported = project.oda("export", "pipe.py:shop").stdout
    assert "if_absent: none" in exported
    assert "optional: true" in exported
    assert "when: '{{ 1 > 2 }}'" in exported

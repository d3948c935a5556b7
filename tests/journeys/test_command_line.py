"""The command line as a user meets it: documents, exit statuses, failures, resumes, errors."""

from __future__ import annotations

import json
import shutil

import pytest
from project_folder import ProjectFolder

from .shop import STEPS, computed, make_shop

STEP_FIELDS = {
    "name",
    "layer",
    "partition",
    "outcome",
    "seconds",
    "attempts",
    "rows",
    "version",
    "key",
    "reason",
    "error",
}


def test_a_run_prints_one_document_with_the_fields_of_the_contract(project: ProjectFolder) -> None:
    document = make_shop(project).run()
    assert document["pipeline"] == "shop"
    assert document["environment"] == "default"
    assert document["status"] == "success"
    assert document["run_id"]
    assert document["parent_run_id"] is None
    assert document["snapshot"].startswith("b3:")
    assert [step["name"] for step in document["steps"]] == [
        "orders",
        "customers",
        "big_orders",
        "named_orders",
        "totals",
        "summary",
    ]
    for step in document["steps"]:
        assert set(step) >= STEP_FIELDS
        assert step["version"].startswith("b3:")
        assert step["attempts"] == 1


def test_what_steps_print_does_not_get_into_the_document(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("transforms.py", "    return orders[", "    print('hello from the step')\n    return orders[")
    answer = project.oda("run", "pipe.yaml", "--json")
    assert json.loads(answer.stdout)["status"] == "success"
    assert "hello from the step" in answer.stderr


def test_a_run_with_nothing_to_do_launches_none_unless_asked_to(project: ProjectFolder) -> None:
    make_shop(project).run()
    assert project.run()["run_id"] is None
    recorded = project.run("--record")
    assert recorded["run_id"] is not None
    assert {step["outcome"] for step in recorded["steps"]} == {"cached"}


def test_the_table_names_outcomes_rows_and_what_to_look_at_next(project: ProjectFolder) -> None:
    make_shop(project)
    first = project.oda("run", "pipe.yaml").stdout
    assert "computed" in first
    assert "Look next" in first
    again = project.oda("run", "pipe.yaml").stdout
    assert "Nothing to do: every result was reused" in again


def test_an_independent_step_runs_on_and_the_others_are_skipped_under_continue(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("pipe.yaml", "name: shop", "name: shop\non_error: continue")
    alone = "  - {name: alone, layer: gold, inputs: [customers], sql: select count(*) as n from customers}\n"
    (project.root / "pipe.yaml").write_text((project.root / "pipe.yaml").read_text() + alone)
    project.write("broken", "")
    outcomes = project.outcomes(status=1)
    assert outcomes["big_orders"] == "failed"
    assert outcomes["alone"] == "computed"
    assert outcomes["totals"] == "skipped"


def test_the_command_line_overrules_on_error(project: ProjectFolder) -> None:
    make_shop(project)
    alone = "  - {name: alone, layer: gold, inputs: [customers], sql: select count(*) as n from customers}\n"
    (project.root / "pipe.yaml").write_text((project.root / "pipe.yaml").read_text() + alone)
    project.write("broken", "")
    assert project.outcomes("--fail-fast", status=1)["alone"] == "skipped"
    assert project.outcomes("--keep-going", status=1)["alone"] == "computed"


def test_a_step_that_exits_has_failed(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("transforms.py", 'raise ValueError("the silver step is broken")', "raise SystemExit(3)")
    project.write("broken", "")
    steps = {step["name"]: step for step in project.run(status=1)["steps"]}
    assert steps["big_orders"]["outcome"] == "failed"
    assert steps["big_orders"]["error"] == "SystemExit: 3"
    assert steps["named_orders"]["reason"] == "needs big_orders"


def test_a_missing_input_file_is_named_by_plan_and_run(project: ProjectFolder) -> None:
    make_shop(project)
    (project.root / "data/customers.csv").unlink()
    assert "data/customers.csv" in project.plan()["customers"]["reason"]
    assert "data/customers.csv" in {step["name"]: step for step in project.run(status=1)["steps"]}["customers"]["error"]


def test_an_environment_variable_may_name_the_file(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("pipe.yaml", "path: data/orders.csv", 'path: "data/{{ env.WHICH }}.csv"')
    project.env["WHICH"] = "orders"
    project.run()
    assert len(project.data("orders")) == 4
    project.env["WHICH"] = "../../etc/passwd"
    assert project.outcomes(status=1)["orders"] == "failed"


def test_nothing_new_starts_after_a_failure_under_fail_fast(project: ProjectFolder) -> None:
    make_shop(project)
    alone = "  - {name: alone, layer: gold, inputs: [customers], sql: select count(*) as n from customers}\n"
    (project.root / "pipe.yaml").write_text((project.root / "pipe.yaml").read_text() + alone)
    project.write("broken", "")
    assert project.outcomes(status=1)["alone"] == "skipped"
    (project.root / "broken").unlink()
    resumed = project.oda("resume", "pipe.yaml", "--json")
    assert resumed.status == 0
    assert {step["name"]: step["outcome"] for step in resumed.json["steps"]}["alone"] == "computed"


def test_a_resume_repeats_nothing_that_finished_not_even_a_step_that_always_runs(project: ProjectFolder) -> None:
    project.write(
        "pipe.yaml",
        """
        name: pipe
        steps:
          - {name: made, layer: bronze, python: "transforms:made"}
          - {name: after, layer: silver, inputs: [made], python: "transforms:after"}
        """,
    )
    project.write(
        "transforms.py",
        """
        import pathlib
        import pandas as pd

        def made():
            with open("made.log", "a") as log:
                log.write("x")
            return pd.DataFrame({"a": [1]})

        def after(made):
            if pathlib.Path("broken").exists():
                raise ValueError("not yet")
            return made
        """,
    )
    project.write("broken", "")
    failed = project.run(status=1)
    (project.root / "broken").unlink()
    resumed = project.oda("resume", "pipe.yaml", "--json").json
    assert {step["name"]: step["outcome"] for step in resumed["steps"]} == {"made": "cached", "after": "computed"}
    assert resumed["parent_run_id"] == failed["run_id"]
    assert (project.root / "made.log").read_text() == "x"


def test_a_resume_keeps_the_params_of_the_run_that_failed(project: ProjectFolder) -> None:
    make_shop(project)
    project.write("broken", "")
    project.run("--set", "minimum=4", status=1)
    (project.root / "broken").unlink()
    assert project.oda("resume", "pipe.yaml").status == 0
    assert [row["amount"] for row in project.data("big_orders")] == [4]


def test_a_resume_by_run_id_finds_its_pipeline(project: ProjectFolder) -> None:
    make_shop(project)
    project.write("broken", "")
    failed = project.run(status=1)
    (project.root / "broken").unlink()
    assert project.oda("resume", failed["run_id"][:13], "--json").json["parent_run_id"] == failed["run_id"]


def test_there_is_nothing_to_resume_after_a_success(project: ProjectFolder) -> None:
    make_shop(project)
    assert project.oda("resume", "pipe.yaml").status == 2
    project.run()
    answer = project.oda("resume", "pipe.yaml")
    assert answer.status == 2
    assert "Nothing to resume" in answer.stderr


def test_a_step_edited_after_a_failure_runs_again_on_resume(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("transforms.py", "return totals.assign", "raise KeyError('gone')\n    return totals.assign")
    project.run(status=1)
    project.edit("transforms.py", "raise KeyError('gone')\n    return", "return")
    project.edit("rules.py", "return minimum", "return minimum + 1")
    resumed = project.oda("resume", "pipe.yaml", "--json").json
    outcomes = {step["name"]: step["outcome"] for step in resumed["steps"]}
    assert computed(outcomes) == {"big_orders", "named_orders", "totals", "summary"}


def test_history_lists_runs_newest_first_with_parents(project: ProjectFolder) -> None:
    make_shop(project)
    project.write("broken", "")
    failed = project.run(status=1)
    (project.root / "broken").unlink()
    resumed = project.oda("resume", "pipe.yaml", "--json").json
    runs = project.oda("history", "pipe.yaml", "--json").json["runs"]
    assert [run["run_id"] for run in runs] == [resumed["run_id"], failed["run_id"]]
    assert runs[0]["parent_run_id"] == failed["run_id"]
    assert [run["status"] for run in runs] == ["success", "failed"]
    assert [run["can_resume"] for run in runs] == [False, False]
    assert resumed["run_id"] in runs[1]["why_not"]
    assert set(runs[0]["steps"]) == set(STEPS)


def test_logs_hold_the_messages_of_one_step(project: ProjectFolder) -> None:
    make_shop(project)
    project.write("broken", "")
    failed = project.run(status=1)
    answer = project.oda("logs", failed["run_id"], "big_orders")
    assert "the silver step is broken" in answer.stdout
    assert project.oda("logs", failed["run_id"], "big_order").status == 2
    assert project.oda("logs", "00000000").status == 2


def test_a_transient_error_is_retried_and_a_permanent_one_is_not(project: ProjectFolder) -> None:
    make_shop(project)
    project.write(
        "transforms.py",
        """
        import pathlib

        def big_orders(orders, *, minimum):
            tries = pathlib.Path("tries")
            count = len(tries.read_text()) if tries.exists() else 0
            tries.write_text("x" * (count + 1))
            if count < 2:
                raise ConnectionResetError("the source hung up")
            return orders

        def summary(totals):
            raise KeyError("missing")
        """,
    )
    project.edit("pipe.yaml", "name: shop", "name: shop\nretry: {max_retries: 3, delay: 0.05}")
    steps = {step["name"]: step for step in project.run(status=1)["steps"]}
    assert steps["big_orders"]["outcome"] == "computed"
    assert steps["big_orders"]["attempts"] == 3
    assert steps["summary"]["outcome"] == "failed"
    assert steps["summary"]["attempts"] == 1


def test_a_layer_in_which_a_step_failed_is_committed_but_not_published(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("pipe.yaml", "name: shop", "name: shop\non_error: continue\ncheckpoint: {mode: layer}")
    project.edit(
        "pipe.yaml",
        "inputs: {orders: big_orders, customers: customers}",
        "inputs: {orders: orders, customers: customers}",
    )
    project.write("broken", "")
    outcomes = project.outcomes(status=1)
    assert outcomes["named_orders"] == "computed"
    assert outcomes["big_orders"] == "failed"
    assert len(project.data("orders")) == 4
    assert project.oda("show", "pipe.yaml", "named_orders").status == 2
    (project.root / "broken").unlink()
    assert computed(project.outcomes()) == {"big_orders"}
    assert len(project.data("named_orders")) == 4


def test_only_selected_steps_run_and_take_what_is_current(project: ProjectFolder) -> None:
    make_shop(project)
    answer = project.oda("run", "pipe.yaml", "--select", "totals")
    assert answer.status == 2
    assert "named_orders" in answer.stderr
    project.run()
    project.edit("pipe.yaml", "select name, cast", "select upper(name) as name, cast")
    assert project.outcomes("--select", "totals") == {"totals": "computed"}
    assert project.data("totals")[0]["name"] == "ANN"
    assert project.data("summary")[0]["name"] == "ann"


def test_force_runs_one_step_or_all(project: ProjectFolder) -> None:
    make_shop(project).run()
    assert computed(project.outcomes("--force=totals")) == {"totals"}
    assert computed(project.outcomes("--force")) == set(STEPS)


def test_why_names_the_helper_the_param_and_the_input(project: ProjectFolder) -> None:
    make_shop(project).run()
    project.edit("rules.py", "amount >= floor(minimum)", "amount > floor(minimum)")
    answer = project.oda("why", "pipe.yaml", "big_orders")
    assert "rules.is_big changed (rules.py:2)" in answer.stdout
    assert "rules.is_big" in project.oda("why", "pipe.yaml", "summary").stdout
    project.edit("rules.py", "amount > floor(minimum)", "amount >= floor(minimum)")
    project.edit("pipe.yaml", "minimum: 2", "minimum: 3")
    assert "param minimum changed 2 → 3" in project.oda("why", "pipe.yaml", "big_orders").stdout
    project.run("--select", "big_orders")
    reason = project.plan()["named_orders"]["reason"]
    assert "input orders changed" in reason
    assert "rows 3 → 2" in reason
    assert "column" in reason


def test_show_prints_and_exports_current_and_earlier_results(project: ProjectFolder) -> None:
    make_shop(project)
    first = {step["name"]: step["version"] for step in project.run()["steps"]}
    project.run("--set", "minimum=4")
    assert "ann" not in project.oda("show", "shop", "totals").stdout
    assert "ann" in project.oda("show", "shop", "totals", "--version", first["totals"][:12]).stdout
    for suffix in ("csv", "parquet", "json"):
        assert project.oda("show", "shop", "totals", "--output", f"out.{suffix}").status == 0
        assert (project.root / f"out.{suffix}").stat().st_size > 0
    assert (project.root / "out.csv").read_text() == "name,amount\nbob,4\n"
    assert json.loads((project.root / "out.json").read_text()) == [{"name": "bob", "amount": 4}]
    assert project.oda("show", "shop", "totals", "--output", "out.xyz").status == 2
    assert project.oda("show", "shop", "totals", "--json").json["rows"] == [{"name": "bob", "amount": 4}]


def test_a_damaged_blob_is_found_and_computed_again(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("transforms.py", "OFFSET = 0", "OFFSET = 1")
    project.run()
    blobs = sorted((project.root / ".oda" / "blobs").rglob("*"))
    for blob in blobs:
        if blob.is_file():
            data = bytearray(blob.read_bytes())
            data[len(data) // 2] ^= 0xFF
            blob.write_bytes(bytes(data))
    verified = project.oda("cache", "verify", "--json")
    assert verified.status == 1
    assert len(verified.json["damage"]) >= len(STEPS)
    assert computed(project.outcomes()) == set(STEPS)
    assert project.oda("cache", "verify").status == 0
    assert len(project.data("totals")) == 2


def test_damage_that_a_consumer_finds_is_repaired_in_the_same_run(project: ProjectFolder) -> None:
    make_shop(project)
    versions = {step["name"]: step for step in project.run()["steps"]}
    results = project.oda("cache", "ls", "--json").json["results"]
    for folder in (project.root / ".oda" / "blobs").iterdir():
        for blob in folder.iterdir():
            data = bytearray(blob.read_bytes())
            data[len(data) // 2] ^= 0xFF
            blob.write_bytes(bytes(data))
    project.edit("transforms.py", "OFFSET = 0", "OFFSET = 1")
    assert len(results) == len(STEPS)
    outcomes = project.outcomes()
    assert outcomes["summary"] == "computed"
    assert [row["amount"] for row in project.data("summary")] == [4, 7]
    assert versions["summary"]["rows"] == 2


def test_a_lost_store_is_computed_again(project: ProjectFolder) -> None:
    make_shop(project).run()
    shutil.rmtree(project.root / ".oda")
    assert computed(project.outcomes()) == set(STEPS)


def test_environments_share_results_and_differ_in_what_is_current(project: ProjectFolder) -> None:
    make_shop(project).run()
    project.env["ODA_ENVIRONMENT"] = "dev-ann"
    assert project.oda("show", "pipe.yaml", "totals").status == 2
    assert computed(project.outcomes()) == set()
    project.run("--set", "minimum=4")
    assert len(project.data("totals")) == 1
    project.env.clear()
    assert len(project.data("totals")) == 2


def test_secrets_stand_in_clear_nowhere(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit(
        "pipe.yaml",
        'params: {minimum: "{{ params.minimum }}"}',
        'params: {minimum: 2, token: {secret: "{{ env.TOKEN }}"}, region: "{{ env.REGION }}"}',
    )
    project.edit(
        "transforms.py", "def big_orders(orders, *, minimum):", "def big_orders(orders, *, minimum, token, region):"
    )
    project.edit(
        "transforms.py",
        'raise ValueError("the silver step is broken")',
        'raise ValueError(f"{token} and {region} refused")',
    )
    project.env |= {"TOKEN": "t0p-s3cret-token", "REGION": "r3gion-value"}
    project.write("broken", "")
    failed = project.run(status=1)
    assert "***" in json.dumps(failed)
    (project.root / "broken").unlink()
    project.run()
    texts = [project.oda("logs", failed["run_id"]).text, json.dumps(failed)]
    for path in [*(project.root / ".oda").rglob("*"), *(project.root / "dagster_home").rglob("*")]:
        if path.is_file():
            texts.append(path.read_bytes().decode(errors="ignore"))
    for text in texts:
        assert "t0p-s3cret-token" not in text
        assert "r3gion-value" not in text
    project.env["TOKEN"] = "another-t0ken"
    assert computed(project.outcomes()) == set()
    project.env["REGION"] = "another-region"
    plan = project.plan()
    assert plan["big_orders"]["reason"] == "environment variable REGION changed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "nowhere.yaml"), ["nowhere.yaml", "expected"]),
        (("run", "shup"), ["shup", "Did you mean 'shop'"]),
        (("why", "shop", "totls"), ["totls", "Did you mean 'totals'"]),
        (("run", "shop", "--select", "totls"), ["totls", "Did you mean 'totals'"]),
        (("run", "shop", "--set", "big_orders.minimun=3"), ["minimun", "minimum"]),
        (("run", "shop", "--set", "big_order.minimum=3"), ["big_order", "big_orders"]),
        (("run", "shop", "--set", "minimun=3"), ["minimun", "minimum"]),
        (("run", "shop", "--set", "nonsense"), ["nonsense", "PARAM=VALUE"]),
        (("show", "shop", "totals"), ["no current result", "oda run shop"]),
        (("resume", "00000000-0000"), ["00000000-0000", "oda history"]),
        (("-C", "missing", "list"), ["missing", "does not exist"]),
    ],
)
def test_bad_input_gets_a_clear_error_and_status_2(
    project: ProjectFolder, arguments: tuple[str, ...], words: list[str]
) -> None:
    answer = make_shop(project).oda(*arguments)
    assert answer.status == 2
    for word in words:
        assert word in answer.stderr
    assert "Traceback" not in answer.text


def test_all_mistakes_come_at_once_as_text_and_as_json(project: ProjectFolder) -> None:
    make_shop(project)
    project.edit("pipe.yaml", "layer: silver\n    inputs: [orders]", "layer: silvr\n    inputs: [ordrs]")
    project.edit("pipe.yaml", "select name, cast", "selec name, cast")
    project.edit("pipe.yaml", "transforms:summary", "transforms:sumary")
    answer = project.oda("validate", "pipe.yaml")
    assert answer.status == 2
    for word in ("pipe.yaml:13", "silvr", "ordrs", "selec", "transforms:summary"):
        assert word in answer.text
    mistakes = project.oda("validate", "--json").json["mistakes"]
    assert len(mistakes) == 4
    assert set(mistakes[0]) == {"file", "line", "key", "found", "expected", "nearest"}
    assert project.oda("run", "pipe.yaml", "--json").json["mistakes"] == mistakes


def test_a_wrong_option_is_refused_as_json_too(project: ProjectFolder) -> None:
    answer = project.oda("run", "pipe.yaml", "--json", "--forse")
    assert answer.status == 2
    assert answer.json["mistakes"] == []
    assert "--forse" in answer.json["error"]
    assert "--force" in answer.stderr


@pytest.mark.parametrize(
    "command",
    ["list", "validate", "plan", "run", "resume", "why", "show", "history", "logs", "dev", "cache ls", "cache verify"],
)
def test_every_command_has_a_help_with_an_example(project: ProjectFolder, command: str) -> None:
    answer = project.oda(*command.split(), "--help")
    assert answer.status == 0
    assert f"Example: oda {command}" in answer.stdout


def test_the_same_file_runs_with_and_without_the_component_wrapper(project: ProjectFolder) -> None:
    make_shop(project).run()
    lines = (project.root / "pipe.yaml").read_text().splitlines()
    wrapped = ["type: odibi_assets.MedallionPipeline", "attributes:", *("  " + line for line in lines)]
    (project.root / "pipe.yaml").write_text("\n".join(wrapped))
    assert computed(project.outcomes()) == set()


def test_a_pipeline_in_python_has_the_keys_of_the_same_in_yaml(project: ProjectFolder) -> None:
    make_shop(project)
    keys = {step["name"]: step["key"] for step in project.run()["steps"]}
    project.write(
        "shop_in_python.py",
        """
        import odibi_assets as oda
        import transforms

        shop = oda.Pipeline("shop")
        shop.read("orders", layer="bronze", format="csv", path="data/orders.csv")
        shop.read("customers", layer="bronze", format="csv", path="data/customers.csv")
        shop.step(layer="silver", params={"minimum": 2})(transforms.big_orders)
        named = "select orders.*, customers.name from orders join customers using (customer) order by orders.id"
        shop.sql("named_orders", named,
                 layer="silver", inputs={"orders": "big_orders", "customers": "customers"})
        totals = "select name, cast(sum(amount) as bigint) as amount from named_orders group by name order by name"
        shop.sql("totals", totals,
                 layer="gold", inputs=["named_orders"])
        shop.step(layer="gold")(transforms.summary)
        """,
    )
    plan = project.plan(pipeline="shop_in_python.py:shop")
    assert {name: step["key"] for name, step in plan.items()} == keys

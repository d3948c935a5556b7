"""A failed run is undone: side effects in reverse order, results revoked, what was current current again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from project_folder import Answer, ProjectFolder

PIPELINE = """
    name: shop
    rollback: true
    steps:
      - name: orders
        layer: bronze
        read: {format: csv, path: data/orders.csv}
      - name: reserved
        layer: silver
        inputs: [orders]
        python: effects:reserved
        params: {account: main, token: {secret: "{{ env.TOKEN }}"}}
        rollback: undo:undo
      - name: counted
        layer: silver
        inputs: [orders]
        python: effects:counted
      - name: sent
        layer: gold
        inputs: [reserved]
        after: [counted]
        python: effects:sent
        rollback: undo:undo
      - name: report
        layer: gold
        inputs: [sent]
        python: effects:report
    """

EFFECTS = """
    import json
    import os
    import pathlib
    import signal

    LEDGER = pathlib.Path("ledger")


    def write(line):
        with LEDGER.open("a") as ledger:
            ledger.write(line + "\\n")


    def dies(where):
        if pathlib.Path("die").exists() and pathlib.Path("die").read_text() == where:
            os.killpg(0, signal.SIGKILL)


    def reserved(orders, *, account, token):
        dies("before reserved")
        write("reserve")
        dies("in reserved")
        return orders


    def counted(orders):
        return orders.head(1)


    def sent(reserved):
        write("send")
        dies("in sent")
        if pathlib.Path("broken sent").exists():
            raise ValueError("sent half of it")
        return {"rows": len(reserved)}


    def report(sent):
        dies("in report")
        if pathlib.Path("broken").exists():
            raise ValueError("the report is broken")
        return {"sent": sent["rows"]}
    """

UNDO = """
    import json
    import os
    import pathlib
    import signal

    import pandas as pd


    def undo(context):
        found = context.result
        result = len(found) if isinstance(found, pd.DataFrame) else found
        with open("undone", "a") as told:
            told.write(json.dumps([context.step, context.effect, result, context.params.get("account")]) + "\\n")
        marker = pathlib.Path("undo " + context.step)
        if marker.exists():
            if marker.read_text() == "die":
                marker.unlink()
                os.killpg(0, signal.SIGKILL)
            raise ConnectionError("no way to take it back with " + str(context.params.get("token")))
    """


def make_shop(project: ProjectFolder) -> ProjectFolder:
    """Two steps with side effects, one without, and a last one that fails while there is a file named ``broken``."""
    project.env["TOKEN"] = "s3cret-token"
    project.write("pipe.yaml", PIPELINE)
    project.write("effects.py", EFFECTS)
    project.write("undo.py", UNDO)
    project.write("data/orders.csv", "id,amount\n1,10\n2,20\n")
    return project


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    return make_shop(project)


def undone(shop: ProjectFolder) -> list[list[Any]]:
    """What the undos were told, in their order: step, effect, result, a param."""
    path = shop.root / "undone"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ledger(shop: ProjectFolder) -> list[str]:
    path = shop.root / "ledger"
    return path.read_text().split() if path.exists() else []


def current(shop: ProjectFolder) -> dict[str, int | None]:
    """Step → rows that are current."""
    head = shop.root / ".oda/heads/default/shop"
    if not head.exists():
        return {}
    id = json.loads(head.read_text())["snapshot"].removeprefix("b3:")
    snapshot = json.loads((shop.root / ".oda/snapshots/shop" / id).read_text())
    return {name: reference[3] for name, reference in snapshot["steps"].items()}


def journal(shop: ProjectFolder) -> list[str]:
    root = shop.root / ".oda/journal/effects"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def history(shop: ProjectFolder) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.oda("history", "pipe.yaml", "--json").json["runs"]
    return found


def killed(answer: Answer) -> bool:
    return answer.status == -signal.SIGKILL


BOTH_UNDONE = [["sent", "done", {"rows": 2}, None], ["reserved", "done", 2, "main"]]


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["in process", "workers"])
@pytest.mark.parametrize("mode", ["auto", "layer", "manual"])
def test_a_failed_run_undoes_its_steps_the_last_first(shop: ProjectFolder, mode: str, workers: tuple[str, ...]) -> None:
    shop.edit("pipe.yaml", "rollback: true", f"rollback: true\ncheckpoint: {{mode: {mode}}}")
    shop.write("broken", "")
    document = shop.run(*workers, status=1)
    assert undone(shop) == BOTH_UNDONE
    assert [step["step"] for step in document["rolled_back"]["undone"]] == ["sent", "reserved"]
    assert current(shop) == {}
    assert journal(shop) == []


def test_what_was_current_is_current_again(shop: ProjectFolder) -> None:
    shop.run()
    before = current(shop)
    shop.write("data/orders.csv", "id,amount\n1,10\n2,20\n3,30\n")
    shop.write("broken", "")
    document = shop.run(status=1)
    assert current(shop) == before
    assert document["snapshot"] == document["rolled_back"]["snapshot"]
    assert "reserved" in document["rolled_back"]["moved"]
    assert len(shop.data("orders")) == 2


def test_an_undone_step_runs_again_and_the_others_are_reused(shop: ProjectFolder) -> None:
    shop.write("broken", "")
    shop.run(status=1)
    (shop.root / "broken").unlink()
    plan = shop.plan()
    assert "rolled back" in plan["reserved"]["reason"]
    assert shop.outcomes() == {
        "orders": "cached", "reserved": "computed", "counted": "cached", "sent": "computed", "report": "computed",
    }  # fmt: skip
    assert ledger(shop) == ["reserve", "send", "reserve", "send"]
    assert journal(shop) == []


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["in process", "workers"])
def test_a_run_that_was_rolled_back_can_be_resumed(shop: ProjectFolder, workers: tuple[str, ...]) -> None:
    shop.write("broken", "")
    failed = shop.run(*workers, status=1)
    (shop.root / "broken").unlink()
    [run] = history(shop)
    assert run["can_resume"]
    assert run["rolled_back"]["undone"][0] == {"step": "sent", "effect": "done", "error": None}
    assert "failed, rolled back" in shop.oda("history", "pipe.yaml").stdout
    answer = shop.oda("resume", failed["run_id"], *workers, "--json")
    assert answer.status == 0, answer.text
    assert {step["name"] for step in answer.json["steps"] if step["outcome"] == "computed"} == {
        "reserved", "sent", "report",
    }  # fmt: skip
    assert set(current(shop)) == {"orders", "reserved", "counted", "sent", "report"}
    assert journal(shop) == []


def test_without_rollback_nothing_is_undone(shop: ProjectFolder) -> None:
    shop.write("broken", "")
    document = shop.run("--no-rollback", status=1)
    assert document["rolled_back"] is None
    assert undone(shop) == []
    assert "sent" in current(shop)


def test_a_run_may_ask_for_it_where_the_pipeline_does_not(shop: ProjectFolder) -> None:
    shop.edit("pipe.yaml", "rollback: true", "rollback: false")
    shop.write("broken", "")
    answer = shop.oda("run", "pipe.yaml", "--rollback", "--workers", "2")
    assert answer.status == 1
    assert undone(shop) == BOTH_UNDONE
    assert "undone: sent, reserved" in answer.stdout


def test_a_step_that_raised_is_undone_too_with_what_is_known_of_it(shop: ProjectFolder) -> None:
    shop.write("broken sent", "")
    shop.run(status=1)
    assert undone(shop) == [["sent", "unknown", None, None], ["reserved", "done", 2, "main"]]


def test_an_undo_that_raises_is_reported_and_the_others_run(shop: ProjectFolder) -> None:
    shop.write("broken", "")
    shop.write("undo sent", "")
    shop.write("undo reserved", "")
    answer = shop.oda("run", "pipe.yaml")
    assert answer.status == 1
    assert [step for step, *_ in undone(shop)] == ["sent", "reserved"]
    assert "Step sent could not be undone: ConnectionError: no way to take it back" in answer.text
    assert "s3cret-token" not in answer.text
    assert "s3cret-token" not in shop.oda("history", "pipe.yaml", "--json").text
    (shop.root / "undo sent").unlink()
    (shop.root / "undo reserved").unlink()
    [run] = history(shop)
    assert [step for step, *_ in undone(shop)] == ["sent", "reserved"], "it runs again only when it is asked for"
    again = shop.oda("rollback", run["run_id"])
    assert again.status == 0, again.text
    assert [found[:2] for found in undone(shop)[2:]] == [["sent", "unknown"], ["reserved", "unknown"]]
    assert shop.oda("rollback", run["run_id"]).status == 2


@pytest.mark.parametrize(
    ("workers", "command"), [((), "plan"), (("--workers", "2"), "history")], ids=["in process", "workers"]
)
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("before reserved", [["reserved", "unknown", None, "main"]]),
        ("in reserved", [["reserved", "unknown", None, "main"]]),
        ("in sent", [["sent", "unknown", None, None], ["reserved", "done", 2, "main"]]),
        ("in report", BOTH_UNDONE),
    ],
)
def test_a_killed_run_is_rolled_back_by_the_next_command(
    shop: ProjectFolder, where: str, expected: list[Any], workers: tuple[str, ...], command: str
) -> None:
    shop.write("die", where)
    assert killed(shop.oda("run", "pipe.yaml", *workers))
    assert undone(shop) == []
    (shop.root / "die").unlink()
    assert "was rolled back" in shop.oda(command, "pipe.yaml").stderr
    assert undone(shop) == expected
    assert current(shop) == {}
    assert shop.outcomes()["reserved"] == "computed"
    assert undone(shop) == expected, "each undo runs once"


def test_a_rollback_that_is_killed_is_finished_by_the_next_command(shop: ProjectFolder) -> None:
    shop.write("broken", "")
    shop.write("undo reserved", "die")
    assert killed(shop.oda("run", "pipe.yaml"))
    assert undone(shop) == BOTH_UNDONE
    [run] = history(shop)
    assert undone(shop)[2:] == [["reserved", "unknown", 2, "main"]]
    assert [step["effect"] for step in run["rolled_back"]["undone"]] == ["done", "unknown"]
    (shop.root / "broken").unlink()
    assert shop.outcomes()["sent"] == "computed"
    assert len(undone(shop)) == 3


def test_an_undone_step_runs_again_though_an_earlier_run_has_the_same_result(shop: ProjectFolder) -> None:
    before = {step["name"]: step["version"] for step in shop.run()["steps"]}
    shop.write("die", "in report")
    assert killed(shop.oda("run", "pipe.yaml", "--force"))
    (shop.root / "die").unlink()
    document = shop.oda("run", "pipe.yaml", "--json").json
    assert undone(shop) == BOTH_UNDONE
    assert {step["name"]: step["outcome"] for step in document["steps"]} == {
        "orders": "cached", "reserved": "computed", "counted": "cached", "sent": "computed", "report": "cached",
    }  # fmt: skip
    assert {step["name"]: step["version"] for step in document["steps"]} == before


def test_a_run_in_progress_is_left_alone(shop: ProjectFolder) -> None:
    shop.edit("effects.py", 'dies("in report")', 'os.system(f"{ODA} history pipe.yaml > seen 2>&1")')
    shop.edit("effects.py", "LEDGER =", f"ODA = {str(Path(sys.executable).with_name('oda'))!r}\nLEDGER =")
    shop.run()
    assert "running" in (shop.root / "seen").read_text()
    assert undone(shop) == []


def test_the_undo_is_no_part_of_the_key(shop: ProjectFolder) -> None:
    shop.run()
    shop.edit("undo.py", "found = context.result", "found = context.result or None if False else context.result")
    shop.edit("pipe.yaml", "rollback: true", "rollback: false")
    assert set(shop.outcomes().values()) == {"cached"}


# Asked for.


def test_a_run_is_rolled_back_when_asked(shop: ProjectFolder) -> None:
    shop.edit("pipe.yaml", "rollback: true", "rollback: false")
    shop.write("broken", "")
    run_id = shop.run(status=1)["run_id"]
    dry = shop.oda("rollback", run_id[:8], "--dry-run", "--json").json
    assert dry["undone"] == [{"step": step, "effect": "done", "error": None} for step in ("sent", "reserved")]
    assert {table["step"]: (table["rows_before"], table["rows_after"]) for table in dry["tables"]} == {
        "orders": (2, None), "reserved": (2, None), "counted": (1, None), "sent": (None, None),
    }  # fmt: skip
    assert dry["snapshot"] is None
    assert undone(shop) == []
    assert "sent" in current(shop)
    done = shop.oda("rollback", run_id, "--json")
    assert done.status == 0, done.text
    assert {**done.json, "dry_run": True, "snapshot": None} == dry
    assert undone(shop) == BOTH_UNDONE
    assert current(shop) == {}
    assert "was rolled back on" in shop.oda("rollback", run_id).stderr


def test_what_cannot_be_rolled_back_is_refused(shop: ProjectFolder) -> None:
    run_id = shop.run()["run_id"]
    for arguments, words in {
        (run_id,): "succeeded",
        ("0123abcd",): "There is no run",
        ("pipe.yaml",): "expected --to SNAPSHOT or --to last-good",
        ("pipe.yaml", "--to", "b3:0123"): "There is no snapshot",
        ("pipe.yaml", "--to", "last-good"): "Nothing to roll back to",
        ("pipe.yaml", "nosuch", "--to", "last-good"): "has no step 'nosuch'",
        ("pipe.yaml", "--to", "last-good", "--downstream"): "--downstream needs a step",
        (run_id, "sent"): "is a run, which is rolled back as a whole",
    }.items():
        answer = shop.oda("rollback", *arguments)
        assert answer.status == 2, arguments
        assert words in answer.stderr, answer.stderr


def test_a_run_on_which_a_later_one_rests_is_not_rolled_back(shop: ProjectFolder) -> None:
    shop.write("broken", "")
    run_id = shop.run("--no-rollback", status=1)["run_id"]
    (shop.root / "broken").unlink()
    assert shop.oda("resume", "pipe.yaml").status == 0
    answer = shop.oda("rollback", run_id)
    assert answer.status == 2
    assert "was resumed as" in answer.stderr


@pytest.fixture
def grown(shop: ProjectFolder) -> tuple[ProjectFolder, str, str]:
    """The shop after two good runs, of two and of three orders, and the snapshot that each left."""
    first = shop.run()["snapshot"]
    shop.write("data/orders.csv", "id,amount\n1,10\n2,20\n3,30\n")
    return shop, first, shop.run()["snapshot"]


def test_a_pipeline_returns_to_a_snapshot_and_forward_again(grown: tuple[ProjectFolder, str, str]) -> None:
    shop, first, second = grown
    dry = shop.oda("rollback", "pipe.yaml", "--to", first, "--dry-run", "--json").json
    changes = {table["step"]: (table["rows_before"], table["rows_after"]) for table in dry["tables"]}
    assert changes["orders"] == (3, 2)
    assert len(shop.data("orders")) == 3
    assert shop.oda("rollback", "pipe.yaml", "--to", first).status == 0
    assert len(shop.data("orders")) == 2
    assert shop.oda("rollback", "pipe.yaml", "--to", second[:12]).status == 0
    assert len(shop.data("orders")) == 3
    assert undone(shop) == [], "returning undoes nothing outside the store"


def test_last_good_is_what_a_successful_run_left_before(grown: tuple[ProjectFolder, str, str]) -> None:
    shop, first, _ = grown
    shop.write("data/orders.csv", "id,amount\n1,10\n2,20\n3,30\n4,40\n")
    shop.write("broken", "")
    shop.run("--no-rollback", status=1)
    assert len(shop.data("orders")) == 4
    for rows in (3, 2):
        assert shop.oda("rollback", "pipe.yaml", "--to", "last-good").status == 0
        assert len(shop.data("orders")) == rows
    assert shop.oda("rollback", "pipe.yaml", "--to", "last-good").status == 2


def test_what_was_before_the_first_run_is_not_good(shop: ProjectFolder) -> None:
    shop.write("broken", "")
    shop.run(status=1)
    (shop.root / "broken").unlink()
    shop.run()
    answer = shop.oda("rollback", "pipe.yaml", "--to", "last-good")
    assert (answer.status, "Nothing to roll back to" in answer.stderr) == (2, True)
    assert len(shop.data("orders")) == 2


def test_a_step_returns_with_all_that_was_derived_from_it(grown: tuple[ProjectFolder, str, str]) -> None:
    shop, first, _ = grown
    answer = shop.oda("rollback", "pipe.yaml", "reserved", "--to", first, "--downstream", "--json").json
    assert {table["step"] for table in answer["tables"]} == {"reserved", "sent", "report"}
    assert answer["consumers"] == [
        {"step": "sent", "takes": ["reserved"], "changes": True},
        {"step": "report", "takes": ["sent"], "changes": True},
    ]
    assert (len(shop.data("orders")), len(shop.data("reserved"))) == (3, 2)


def test_a_step_alone_leaves_what_was_derived_from_it(grown: tuple[ProjectFolder, str, str]) -> None:
    shop, *_ = grown
    answer = shop.oda("rollback", "pipe.yaml", "reserved", "--to", "last-good")
    assert answer.status == 0
    assert "sent takes reserved and stays as it is" in answer.stdout
    assert len(shop.data("reserved")) == 2


def test_a_revoked_result_never_becomes_current_again(grown: tuple[ProjectFolder, str, str]) -> None:
    shop, first, _ = grown
    shop.oda("rollback", "pipe.yaml", "--to", first)
    assert shop.oda("cache", "invalidate", "pipe.yaml", "reserved").status == 0
    forward = shop.oda("rollback", "pipe.yaml", "--to", grown[2])
    assert forward.status == 2
    assert "'reserved': its result was invalidated" in forward.stderr
    assert shop.oda("rollback", "pipe.yaml", "--to", "last-good").status == 2
    shop.write("data/orders.csv", "id,amount\n1,10\n2,20\n")
    assert "invalidated" in shop.plan()["reserved"]["reason"]
    assert shop.outcomes()["reserved"] == "computed"


def test_dagster_is_told_what_is_current_again(grown: tuple[ProjectFolder, str, str]) -> None:
    shop, first, _ = grown
    shop.oda("rollback", "pipe.yaml", "--to", first)
    assert shop.oda("sync", "--json").json["pipelines"][0]["reported"] == []
    shop.run()
    shop.write("data/orders.csv", "id,amount\n5,10\n")
    shop.write("broken", "")
    shop.run(status=1)
    assert shop.oda("sync", "--json").json["pipelines"][0]["reported"] == []
    assert (shop.root / ".oda/journal/moves").exists() is False or not any(
        path.is_file() for path in (shop.root / ".oda/journal/moves").rglob("*")
    )


def test_collection_keeps_what_waits_to_be_undone(shop: ProjectFolder) -> None:
    shop.edit("pipe.yaml", "rollback: true", "rollback: true\nretention: {results: 0, snapshots: 1, grace_days: 0}")
    shop.write("die", "in report")
    assert killed(shop.oda("run", "pipe.yaml"))
    before = journal(shop)
    assert shop.oda("cache", "gc").status == 0
    assert journal(shop) == before
    (shop.root / "die").unlink()
    shop.oda("plan", "pipe.yaml")
    assert [found[:2] for found in undone(shop)] == [["sent", "done"], ["reserved", "done"]]


# What failed and killed steps leave at the paths of their outputs.

STAGING = """
    name: staging
    steps:
      - name: staged
        layer: bronze
        command: [python, stage.py]
        files: [stage.py]
        outputs: {stage: {path: data/stage, format: folder}}
    """

STAGE = """
    import os
    import pathlib
    import signal
    import sys

    folder = pathlib.Path("data/stage")
    folder.mkdir(parents=True)
    how = pathlib.Path("how").read_text()
    (folder / how).write_text(how)
    if how == "killed":
        os.kill(os.getppid(), signal.SIGKILL)
    if how == "failed":
        sys.exit("half of it is there")
    """


@pytest.mark.parametrize("how", ["killed", "failed"])
def test_partial_outputs_are_cleared_before_the_next_attempt(project: ProjectFolder, how: str) -> None:
    project.write("pipe.yaml", STAGING)
    project.write("stage.py", STAGE)
    project.write("how", how)
    answer = project.oda("run", "pipe.yaml")
    assert killed(answer) if how == "killed" else answer.status == 1
    assert (project.root / "data/stage").exists() is (how == "killed")
    project.write("how", "whole")
    assert project.oda("resume", "pipe.yaml").status == 0
    assert [path.name for path in (project.root / "data/stage").iterdir()] == ["whole"]


def test_python_may_ask_for_the_same(shop: ProjectFolder) -> None:
    shop.write("broken", "")
    shop.write(
        "use.py",
        """
        import pathlib

        import effects
        import odibi_assets as oda

        told = []


        def undo(context):
            told.append((context.step, context.effect, len(context.result)))


        shop = oda.Pipeline("shop", rollback=True)
        shop.read("orders", layer="bronze", format="csv", path="data/orders.csv")
        shop.step(layer="silver", params={"account": "a", "token": "t"}, rollback=undo)(effects.reserved)


        @shop.step(layer="gold")
        def report(reserved):
            if pathlib.Path("broken").exists():
                raise ValueError("the report is broken")
            return {"rows": len(reserved)}


        result = shop.run()
        print(result.success, told, [undone.step for undone in result.report.rolled_back.undone])

        pathlib.Path("broken").unlink()
        assert shop.run().success
        pathlib.Path("data/orders.csv").write_text("id,amount\\n1,10\\n")
        assert shop.run().success
        dry, done = [shop.return_to("last-good", dry_run=dry_run) for dry_run in (True, False)]
        print([(table.step, table.rows_before, table.rows_after) for table in done.tables], dry.tables == done.tables)
        pathlib.Path("broken").write_text("")
        failed = shop.run()
        try:
            shop.roll_back(failed.run_id)
        except oda.OdibiAssetsError as error:
            print("was rolled back on" in str(error))
        """,
    )
    env = {**os.environ, **shop.env, "ODA_PROJECT": str(shop.root)}
    answer = subprocess.run([sys.executable, "use.py"], cwd=shop.root, env=env, capture_output=True, text=True)
    assert answer.stdout.splitlines() == [
        "False [('reserved', 'done', 2)] ['reserved']",
        "[('orders', 1, 2), ('report', None, None), ('reserved', 1, 2)] True",
        "True",
    ], answer.stderr


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("undo:nosuch", "rollback"),
        ("nosuch:undo", "there is no module"),
        ("effects:sent2", "rollback"),
        ("effects:reserved", "a function of one argument, the UndoContext"),
    ],
)
def test_an_undo_that_cannot_be_called_is_a_mistake(shop: ProjectFolder, reference: str, expected: str) -> None:
    shop.edit("pipe.yaml", "rollback: undo:undo", f"rollback: {reference}")
    answer = shop.oda("validate", "pipe.yaml")
    assert answer.status == 2
    assert expected in answer.text

"""Alerts of `oda run` and hooks in Python: what arrives at a real webhook and a real mailbox, and what never does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from project_folder import ProjectFolder
from servers.receivers import MailServer, Webhook

ALL = "step_failed, run_failed, recovered"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as found:
        yield found


def make_project(project: ProjectFolder, webhook: Webhook, on: str = ALL, **more: str) -> ProjectFolder:
    """Three steps, of which the second fails while there is a file `broken` (or `away`: a passing failure)."""
    project.env["ALERT_URL"] = webhook.url("s3cret-token")
    project.write(
        "pipe.yaml",
        f"""
        name: shop
        {more.get("policy", "on_error: fail_fast")}
        alerts:
          - {{url: "{more.get("url", "{{ env.ALERT_URL }}")}", on: [{on}]}}
        steps:
          - {{name: orders, layer: bronze, read: {{format: csv, path: data/orders.csv}}}}
          - {{name: priced, layer: silver, inputs: [orders], python: "transforms:priced"}}
          - {{name: total, layer: gold, inputs: [priced], sql: select count(*) as n from priced}}
        """,
    )
    project.write(
        "transforms.py",
        """
        import os
        from pathlib import Path


        def priced(orders):
            with open("tries.log", "a") as file:
                file.write("try\\n")
            if Path("broken").exists():
                try:
                    {}["price"]
                except KeyError as error:
                    raise ValueError("orders have no price, says " + Path("broken").read_text()) from error
            if Path("away").exists():
                raise ConnectionError("the shop is away")
            return orders
        """,
    )
    project.write("data/orders.csv", "id\n1\n2\n")
    return project


def test_a_run_that_fails_and_one_that_recovers_are_told_once_each(project: ProjectFolder, webhook: Webhook) -> None:
    make_project(project, webhook).write("broken", "ann")
    failed = project.run(status=1)
    assert webhook.titles == ["shop: step priced failed", "shop failed at step priced"]
    step, run = (message["message"].splitlines() for message in webhook.received)
    expected = [
        "Pipeline: shop",
        "Environment: default",
        "Step: priced (silver)",
        "Error: KeyError: 'price'",
        "Raised as: ValueError: orders have no price, says ann",
        "Attempts: 1",
        f"To resume: oda resume {failed['run_id']}",
        f"Run: {failed['run_id']}",
    ]
    assert step == run == expected
    assert [message["type"] for message in webhook.received] == ["failure", "failure"]
    (project.root / "broken").unlink()
    told = run[-2].removeprefix("To resume: oda ")
    resumed = project.oda(*told.split(), "--json")
    assert resumed.status == 0
    assert webhook.titles[2:] == ["shop recovered"]
    recovered = webhook.received[2]
    assert recovered["type"] == "success"
    assert f"First success after: run {failed['run_id']} of" in recovered["message"]
    assert f"Run: {resumed.json['run_id']}" in recovered["message"]
    project.run("--force")
    assert len(webhook.received) == 3


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_step_that_is_retried_is_told_after_its_last_try(
    project: ProjectFolder, webhook: Webhook, workers: str
) -> None:
    make_project(project, webhook, policy="on_error: continue\n        retry: {max_retries: 2}").write("away", "")
    document = project.run("--workers", workers, status=1)
    assert {step["name"]: step["attempts"] for step in document["steps"]}["priced"] == 3
    assert webhook.titles == ["shop: step priced failed", "shop failed at step priced"]
    assert all("Attempts: 3" in message["message"].splitlines() for message in webhook.received)
    (project.root / "away").unlink()
    project.run("--workers", workers)
    assert webhook.titles[2:] == ["shop recovered"]


def test_a_success_that_leaves_out_what_failed_is_no_recovery(project: ProjectFolder, webhook: Webhook) -> None:
    make_project(project, webhook, on="recovered").write("broken", "ann")
    project.run(status=1)
    (project.root / "broken").unlink()
    project.run("--select", "orders", "--force")
    assert webhook.titles == []
    project.run()
    assert webhook.titles == ["shop recovered"]


def test_a_channel_is_told_only_of_what_it_asks_for(project: ProjectFolder, webhook: Webhook) -> None:
    make_project(project, webhook, on="run_failed").write("broken", "ann")
    project.run(status=1)
    assert webhook.titles == ["shop failed at step priced"]
    (project.root / "broken").unlink()
    project.run()
    assert len(webhook.received) == 1


def test_a_failure_is_mailed(project: ProjectFolder, webhook: Webhook) -> None:
    make_project(project, webhook, on="run_failed").write("broken", "ann")
    with MailServer() as mailbox:
        project.env["ALERT_URL"] = mailbox.url()
        project.run(status=1)
    (mail,) = mailbox.mails
    assert "Subject: shop failed at step priced" in mail
    assert "To: ann@shop.test" in mail
    assert "oda resume" in mail


def test_the_link_to_the_run_is_told_where_the_ui_is_known(project: ProjectFolder, webhook: Webhook) -> None:
    make_project(project, webhook, on="run_failed").write("broken", "ann")
    project.env["ODA_UI"] = "http://dagster.shop.test:3000/"
    document = project.run(status=1)
    link = f"In the UI: http://dagster.shop.test:3000/runs/{document['run_id']}"
    assert link in webhook.received[0]["message"].splitlines()


def kept_and_shown(project: ProjectFolder) -> bytes:
    """All that the project's store and its Dagster home hold."""
    folders = (project.root / ".oda", project.root / "dagster_home")
    return b"".join(path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file())


def test_a_url_and_secrets_stand_in_no_log_record_or_message(project: ProjectFolder) -> None:
    with Webhook(status=500) as broken:
        make_project(project, broken).write("broken", broken.url("s3cret-token"))
        answer = project.oda("run", "pipe.yaml")
    assert answer.status == 1
    assert "run_failed of run" in answer.stderr
    assert "could not be told to channel 1 of the pipeline's alerts" in answer.stderr
    assert broken.paths == ["/s3cret-token"] * 2
    assert "says ***" in broken.received[1]["message"]
    assert "s3cret-token" not in answer.text
    assert str(broken.port) not in answer.text.replace(f"127.0.0.1:{broken.port}", str(broken.port))
    assert b"s3cret-token" not in kept_and_shown(project)


def test_a_channel_that_is_away_is_a_warning_and_the_run_ends_as_it_would(project: ProjectFolder) -> None:
    with Webhook() as gone:
        make_project(project, gone)
    project.write("broken", "ann")
    answer = project.oda("run", "pipe.yaml")
    assert answer.status == 1
    assert "could not be told to channel 1" in answer.stderr
    assert str(gone.port) not in answer.stderr


def test_a_variable_that_is_not_set_is_a_warning_that_names_it(project: ProjectFolder, webhook: Webhook) -> None:
    make_project(project, webhook).write("broken", "ann")
    del project.env["ALERT_URL"]
    answer = project.oda("run", "pipe.yaml")
    assert answer.status == 1
    assert "The environment variable ALERT_URL is not set." in answer.stderr


def test_alerts_are_no_part_of_a_key(project: ProjectFolder, webhook: Webhook) -> None:
    make_project(project, webhook)
    before = {step["name"]: step["key"] for step in project.run()["steps"]}
    project.edit("pipe.yaml", f"on: [{ALL}]", "on: [run_failed]")
    project.env["ALERT_URL"] = "json://elsewhere"
    planned = project.plan().values()
    assert {step["name"]: step["reason"] for step in planned if step["outcome"] != "hit"} == {}
    assert {step["name"]: step["key"] for step in planned} == before


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("{url: s3cret, on: [run_failed]}", "expected an Apprise URL, as json://host/path"),
        ('{url: "json://s3cret{{ env.X", on: [run_failed]}', "expected }} after {{"),
        ('{url: "json://h", on: [run_faild]}', "run_failed"),
        ('{url: "json://h", on: []}', "at least one"),
        ('{url: "json://h", layers: [gold]}', "not built yet"),
        ("{channel: ops}", "not built yet"),
    ],
)
def test_a_mistake_in_an_alert_has_its_line_and_shows_no_url(
    project: ProjectFolder, declared: str, expected: str
) -> None:
    project.write(
        "pipe.yaml",
        f"""
        name: shop
        steps: [{{name: orders, layer: bronze, read: {{format: csv, path: data/orders.csv}}}}]
        alerts:
          - {declared}
        """,
    )
    answer = project.oda("validate", "pipe.yaml")
    assert answer.status == 2
    assert "pipe.yaml:5" in answer.text
    assert expected in answer.text
    assert "s3cret" not in answer.text


HOOKED = """
    import time

    import odibi_assets as oda

    shop = oda.Pipeline("shop")
    shop.read("orders", layer="bronze", format="csv", path="data/orders.csv")


    @shop.step(layer="silver")
    def priced(orders):
        raise ValueError("no price")


    def note(text):
        with open("told.log", "a") as file:
            file.write(text + "\\n")


    @shop.on("step_failed")
    def second(event: oda.StepFailed) -> None:
        note(f"second {event.step} {event.layer} {event.attempts} {event.cause}")


    @shop.on("step_failed", priority=10)
    def first(event: oda.StepFailed) -> None:
        note(f"first {event.run_id}")
        raise SystemExit("a hook that breaks")


    @shop.on("run_failed")
    def third(event: oda.RunFailed) -> None:
        note(f"third {event.failed} {event.resume}")
"""


def test_hooks_are_called_in_order_of_priority_and_break_nothing(project: ProjectFolder) -> None:
    project.write("data/orders.csv", "id\n1\n")
    project.write("pipe.py", HOOKED)
    answer = project.oda("run", "pipe.py:shop")
    assert answer.status == 1
    run = project.oda("history", "pipe.py:shop", "--json").json["runs"][0]["run_id"]
    assert (project.root / "told.log").read_text().splitlines() == [
        f"first {run}",
        "second priced silver 1 ValueError: no price",
        "third ('priced',) oda resume pipe.py:shop",
    ]
    assert "The hook first of step_failed raised SystemExit: a hook that breaks" in answer.stderr


def test_what_hangs_is_left_behind() -> None:
    from odibi_assets.execute.channel import Channel
    from odibi_assets.execute.event import Recovered

    released = threading.Event()
    event = Recovered("shop", "default", "run", None, "earlier", "2026-01-01", ())
    with Webhook(before_answer=released.wait) as slow:
        why = Channel(1, slow.url()).send(event, {}, limit_s=3)
        assert why == "it took longer than 3 seconds."
        assert slow.titles == ["shop recovered"]
        released.set()

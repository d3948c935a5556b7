"""What the daemon and the UI of a real server do after failures: roll back, tell of absences and retries."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from project_folder import ProjectFolder, Zygote
from servers.receivers import Webhook

from .dagster_server import DagsterServer, outcomes
from .test_rollback import BOTH_UNDONE, current, history, journal, make_shop, undone

pytestmark = pytest.mark.dagster

EVENTS = """query($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection { events { __typename
  ... on MessageEvent { message stepKey } } } } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
DELIVERIES = """
    name: deliveries
    retry: {max_retries: 1, delay: 0.1}
    alerts:
      - {url: WEBHOOK, on: [step_absent]}
    steps:
      - {name: orders, layer: bronze, read: {format: csv, path: data/orders.csv}}
      - {name: weather, layer: silver, inputs: [orders], python: 'deliveries:weather', optional: true}
      - {name: shaky, layer: silver, inputs: [orders], python: 'deliveries:shaky'}
      - name: delivered
        layer: gold
        inputs: {orders: shaky, weather: {step: weather, if_absent: none}}
        python: deliveries:delivered
    """
FUNCTIONS = """
    import pathlib


    def weather(orders):
        raise KeyError("no station")


    def shaky(orders):
        tried = pathlib.Path("tried")
        if not tried.exists():
            tried.write_text("")
            raise ConnectionResetError("the line broke")
        return orders


    def delivered(orders, weather):
        return orders.assign(weather="unknown" if weather is None else "known")
    """


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, zygote: Zygote
) -> Iterator[tuple[ProjectFolder, DagsterServer, Webhook]]:
    """The shop that can be rolled back, deliveries that can do without the weather, and `oda dev` on both."""
    with Webhook() as webhook:
        shop = make_shop(ProjectFolder(tmp_path_factory.mktemp("daemon"), zygote))
        shop.write("deliveries.yaml", DELIVERIES.replace("WEBHOOK", webhook.url()))
        shop.write("deliveries.py", FUNCTIONS)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_"))}
        env = {**kept, **shop.env, "DAGSTER_HOME": str(shop.root / "dagster_home")}
        server = DagsterServer(shop.root, env)
        yield shop, server, webhook
        server.stop()


def wait_until(seen: Callable[[], Any], server: DagsterServer) -> None:
    deadline = time.monotonic() + 120
    while not seen():
        assert time.monotonic() < deadline, server.log.read_text()[-3000:]
        time.sleep(0.3)


def events(server: DagsterServer, run_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.ask(EVENTS, id=run_id)["runOrError"]["eventConnection"]["events"]
    return found


def test_the_ui_shows_an_absence_and_a_retry_of_a_run_that_succeeds_and_the_daemon_tells_of_it(
    served: tuple[ProjectFolder, DagsterServer, Webhook],
) -> None:
    _, server, webhook = served
    run = server.launch("deliveries")
    assert run["status"] == "SUCCESS"
    found = events(server, run["id"])
    assert outcomes(run) == {"orders": "computed", "weather": "absent", "shaky": "computed", "delivered": "computed"}
    (absent,) = [
        found for found in run["assetMaterializations"] if found["assetKey"]["path"] == ["deliveries", "weather"]
    ]
    assert "no station" in str(absent["metadataEntries"])
    (retried,) = [event for event in found if event["__typename"] == "ExecutionStepUpForRetryEvent"]
    assert retried["stepKey"] == "deliveries__shaky"
    assert any("the line broke" in event.get("message", "") and "tried again in" in event["message"] for event in found)
    wait_until(lambda: webhook.received, server)
    assert "weather" in webhook.titles[0]


def test_the_daemon_rolls_back_a_run_of_several_processes_that_failed(
    served: tuple[ProjectFolder, DagsterServer, Webhook],
) -> None:
    shop, server, _ = served
    shop.write("broken", "")
    run = server.launch("shop", config={"execution": {"config": {"multiprocess": {"max_concurrent": 2}}}})
    assert run["status"] == "FAILURE"
    wait_until(lambda: len(undone(shop)) == 2 and not journal(shop), server)
    assert sorted(undone(shop)) == sorted(BOTH_UNDONE)
    assert current(shop) == {}
    assert history(shop)[0]["rolled_back"] is not None
    (shop.root / "broken").unlink()


def test_the_daemon_rolls_back_a_run_of_the_command_line_that_was_killed_and_ends_it_in_dagster(
    served: tuple[ProjectFolder, DagsterServer, Webhook],
) -> None:
    shop, server, _ = served
    before = len(undone(shop))
    shop.write("die", "in report")
    assert shop.oda("run", "pipe.yaml").status == -signal.SIGKILL
    (shop.root / "die").unlink()
    (killed,) = [run for run in server.runs_of("shop") if run["status"] == "STARTED"]
    wait_until(lambda: len(undone(shop)) == before + 2 and not journal(shop), server)
    wait_until(lambda: server.ask(STATUS, id=killed["runId"])["runOrError"]["status"] == "FAILURE", server)
    assert undone(shop)[before:] == BOTH_UNDONE
    assert server.launch("shop")["status"] == "SUCCESS"

"""Runs from the UI are told of by the daemon's sensors, once, also beside runs that tell by themselves."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from project_folder import ProjectFolder, Zygote
from servers.receivers import Webhook

from .dagster_server import DagsterServer
from .test_alerts import make_project

pytestmark = pytest.mark.dagster


def wait_for(webhook: Webhook, count: int, server: DagsterServer) -> None:
    """Until so many messages came."""
    deadline = time.monotonic() + 120
    while len(webhook.received) < count:
        assert time.monotonic() < deadline, server.log.read_text()[-3000:]
        time.sleep(0.3)


def test_the_daemon_tells_of_runs_of_the_ui_once(tmp_path: Path, zygote: Zygote) -> None:
    with Webhook() as webhook:
        project = make_project(ProjectFolder(tmp_path, zygote), webhook)
        project.write("broken", "ann")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_"))}
        env = {**kept, **project.env, "DAGSTER_HOME": str(project.root / "dagster_home")}
        server = DagsterServer(project.root, env)
        try:
            failed = server.launch("shop")
            wait_for(webhook, 2, server)
            assert webhook.titles == ["shop: step priced failed", "shop failed at step priced"]
            link = f"In the UI: http://127.0.0.1:{server.port}/runs/{failed['id']}"
            for message in webhook.received:
                lines = message["message"].splitlines()
                assert link in lines
                assert f"To resume: oda resume {failed['id']}" in lines

            again = project.run(status=1)  # tells by itself; the sensors see this run too
            assert len(webhook.received) == 4
            assert again["run_id"] in webhook.received[3]["message"]

            (project.root / "broken").unlink()
            recovered = server.reexecute_from_failure(again["run_id"])
            assert recovered["status"] == "SUCCESS"
            wait_for(webhook, 5, server)
            assert webhook.titles[4] == "shop recovered"

            project.write("broken", "bob")  # when this is told, the sensor has gone past the run before it
            last = server.launch("shop")
            wait_for(webhook, 7, server)
            assert webhook.titles[5:] == ["shop: step priced failed", "shop failed at step priced"]
            assert last["id"] in webhook.received[6]["message"]
            assert "s3cret-token" not in server.log.read_text()
        finally:
            server.stop()

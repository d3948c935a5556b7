"""`oda dev` as a child that really stops, asked through GraphQL as the UI asks it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

READY = """{
  workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename } } } }
  instance { daemonHealth { allDaemonStatuses { required healthy } } }
}"""
LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
REEXECUTE = """mutation($params: ReexecutionParams!) { launchPipelineReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status parentRunId assetMaterializations {
  assetKey { path } tags { key value } metadataEntries { label ... on TextMetadataEntry { text } } } } } }"""
RUNS_OF = """query($job: String!) { runsOrError(filter: {pipelineName: $job}) { ... on Runs { results {
  runId status tags { key value } } } } }"""
JOBS = """{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } schedules { name cronSchedule
  executionTimezone scheduleState { status } } } } } }"""
STALE = "{ assetNodes { assetKey { path } staleStatus } }"
RELOAD = """mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) { __typename } }"""


class DagsterServer:
    """Web server and daemon for one project, on a free port of the loopback interface."""

    def __init__(self, root: Path, env: dict[str, str]) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.log = root / "dev.log"
        self._home = f"DAGSTER_HOME={env['DAGSTER_HOME']}".encode()
        oda = Path(sys.executable).with_name("oda")
        # SIGINT is put back: a parent that ignores it would leave a server that can't be stopped.
        self.process = subprocess.Popen(
            [str(oda), "-C", str(root), "dev", "--port", str(self.port)],
            env=env,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # type: ignore[arg-type, return-value]
        )
        self.location = self._wait_until_ready()

    def ask(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            document = json.load(answer)
        assert "errors" not in document, document["errors"]
        return document["data"]

    def launch(
        self, job: str, assets: list[list[str]] | None = None, config: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """ "Materialize all" of a job's page, or of selected assets; returns the finished run."""
        selector: dict[str, Any] = {
            "repositoryLocationName": self.location,
            "repositoryName": "__repository__",
            "jobName": job,
        }
        if assets is not None:
            selector["assetSelection"] = [{"path": path} for path in assets]
        answer = self.ask(LAUNCH, params={"selector": selector, "mode": "default", "runConfigData": config or {}})
        return self._finished(answer["launchPipelineExecution"])

    def reexecute_from_failure(self, run_id: str) -> dict[str, Any]:
        answer = self.ask(REEXECUTE, params={"parentRunId": run_id, "strategy": "FROM_FAILURE"})
        return self._finished(answer["launchPipelineReexecution"])

    def jobs(self) -> set[str]:
        (repository,) = self.ask(JOBS)["repositoriesOrError"]["nodes"]
        return {job["name"] for job in repository["jobs"]}

    def runs_of(self, job: str) -> list[dict[str, Any]]:
        """Id, status and tags of a job's runs, newest first."""
        found: list[dict[str, Any]] = self.ask(RUNS_OF, job=job)["runsOrError"]["results"]
        return found

    def wait_for_run_of(self, job: str, seconds: float = 180) -> dict[str, Any]:
        """The first run of a job that somebody else launches, finished."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.runs_of(job)
            if found and found[-1]["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                return {**found[-1], "tags": {tag["key"]: tag["value"] for tag in found[-1]["tags"]}}
            time.sleep(0.5)
        raise AssertionError(f"no run of {job} came: {self.log.read_text()[-2000:]}")

    def reload(self) -> None:
        self.ask(RELOAD, name=self.location)
        self._wait_until_ready()

    def stale(self) -> dict[str, str]:
        return {node["assetKey"]["path"][-1]: node["staleStatus"] for node in self.ask(STALE)["assetNodes"]}

    def stop(self) -> None:
        """Stop it, and see that nothing of it is left."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
            deadline = time.monotonic() + 30
            while (left := self._left_behind()) and time.monotonic() < deadline:
                time.sleep(0.2)
            assert not left, f"still running: {left}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _left_behind(self) -> dict[int, str]:
        """Processes that work in this server's Dagster home, whatever session they are in."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self._home in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")[:200]
        return found

    def _finished(self, answer: dict[str, Any]) -> dict[str, Any]:
        assert answer["__typename"] == "LaunchRunSuccess", answer
        run_id = answer["run"]["runId"]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            run: dict[str, Any] = self.ask(RUN, id=run_id)["runOrError"]
            if run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                return {"id": run_id, **run}
            time.sleep(0.3)
        raise AssertionError(f"run {run_id} did not finish: {self.log.read_text()[-2000:]}")

    def _wait_until_ready(self) -> str:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                found = self.ask(READY)
            except OSError:
                time.sleep(0.3)
                continue
            entries = found["workspaceOrError"]["locationEntries"]
            daemons = found["instance"]["daemonHealth"]["allDaemonStatuses"]
            if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
                assert entries[0]["locationOrLoadError"]["__typename"] == "RepositoryLocation", self.log.read_text()[
                    -3000:
                ]
                if all(daemon["healthy"] for daemon in daemons if daemon["required"]):
                    return str(entries[0]["name"])
            time.sleep(0.3)
        raise AssertionError(f"the server did not come up: {self.log.read_text()[-3000:]}")


def outcomes(run: dict[str, Any]) -> dict[str, str]:
    """Step → outcome, from the metadata of the run's materializations."""
    return {
        found["assetKey"]["path"][-1]: entry["text"]
        for found in run["assetMaterializations"]
        for entry in found["metadataEntries"]
        if entry["label"] == "outcome"
    }


def versions(run: dict[str, Any]) -> dict[str, str]:
    return {
        found["assetKey"]["path"][-1]: tag["value"]
        for found in run["assetMaterializations"]
        for tag in found["tags"]
        if tag["key"] == "dagster/data_version"
    }

"""A warm process that runs pipelines without Dagster: the same plan, session and delivery, step after step.

Starting a Dagster run costs about a second. Where thousands of small runs are compared, this runs their steps in the
order of the pipeline instead, as Dagster would in one process; everything else is what `oda run` does.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from project_folder import Answer
from warm_process import WarmProcess, serve


class DirectRuns:
    """The asking side.

    Attributes:
        count: How many commands it has run.
    """

    def __init__(self) -> None:
        self.process = WarmProcess(Path(__file__))
        self.count = 0

    def run(self, folder: Path, env: dict[str, str], *, pipeline: str = "pipe.yaml") -> Answer:
        """Run a pipeline; prints what `oda run --json` prints, and for each step what the plan said (`planned`)."""
        return self._ask({"command": "run", "arguments": [pipeline], "folder": str(folder), "env": env})

    def show(self, folder: Path, env: dict[str, str], step: str, *, pipeline: str = "pipe.yaml") -> Answer:
        """Run `oda show` with the current rows of a step in `.shown.parquet`."""
        arguments = ["show", pipeline, step, "--output", ".shown.parquet"]
        return self._ask({"command": "oda", "arguments": arguments, "folder": str(folder), "env": env})

    def _ask(self, request: dict[str, Any]) -> Answer:
        self.count += 1
        out, err = Path(request["folder"], ".stdout"), Path(request["folder"], ".stderr")
        status = self.process.ask({**request, "stdout": str(out), "stderr": str(err)})
        return Answer(status, out.read_text(), err.read_text())

    def close(self) -> None:
        self.process.close()


def _run(pipeline: str) -> int:
    from odibi_assets.cli import quick
    from odibi_assets.declare.overrides import Overrides
    from odibi_assets.declare.project import Project
    from odibi_assets.identify.witnessed import find_and_identify

    status = quick.answer(["run", pipeline, "--json"], 0.0)
    if status is not None:
        return status
    project = Project.at(".")
    source, identified = find_and_identify(project, pipeline, Overrides())
    report, plan = _direct_run_class()(project, source, identified, reference=pipeline).run()
    document = report.to_json()
    for step in document["steps"]:  # type: ignore[attr-defined]
        step["planned"] = plan.decisions[step["name"]].action
    print(json.dumps(document))
    return 0 if report.status == "success" else 1


def _direct_run_class() -> Any:
    from odibi_assets.decide.plan import Plan, snapshots_of
    from odibi_assets.execute.delivery import Delivery
    from odibi_assets.execute.progress import Progress
    from odibi_assets.execute.recording import Recording
    from odibi_assets.execute.session import Session
    from odibi_assets.execute.side_effects import SideEffects
    from odibi_assets.execute.single_flight import SingleFlight
    from odibi_assets.keep.effects import Effects
    from odibi_assets.keep.lease import Leases
    from odibi_assets.keep.run_record import Run
    from odibi_assets.orchestrate.pipeline_run import PipelineRun

    class DirectRun(PipelineRun):
        """A run whose steps are settled here, in the order of the pipeline."""

        def _launch(
            self, run_id: str, plan: Plan, steps: tuple[str, ...], parent: Run | None, progress: Progress
        ) -> None:
            log = logging.getLogger("direct run")
            start = self.runs.start(run_id, run_id)
            assert start is not None
            store = self.world.results.store
            recording = Recording(self.runs, start, alone=True, fails_fast=True, secrets=(), log=log)
            delivery = Delivery(
                self.identified,
                self.world,
                snapshots_of(self.world, self.project, self.identity.name),
                recording,
                frozenset(steps),
                parents={},
                finished=dict(start.hits),
                flight=SingleFlight(Leases(store, run_id), lambda: log),
            )
            journal = Effects(store, self.project.environment, self.identity.name).of(start)
            session = Session(
                self.identified,
                self.world,
                recording,
                delivery,
                SideEffects(self.identified.pipeline, self.world, journal, log),
                ignored=(store.name, str(self.project.dagster_home), str(self.project.local)),
            )
            if start.hits:
                delivery.publish(dict(start.hits))
            try:
                for name in steps:
                    session.delivered(session.settle(name))
            finally:
                session.close()

    return DirectRun


def answer_request(request: dict[str, Any]) -> int:
    """Run one command, its output in files; returns its exit status."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    try:
        if request["command"] == "run":
            status = _run(*request["arguments"])
        else:
            from odibi_assets.cli.app import run_app

            sys.argv = ["oda", *request["arguments"]]
            status = run_app(request["arguments"])
    except BaseException:
        traceback.print_exc()
        status = 99
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _look_up_what_does_not_change() -> None:
    """What each process asks once: DuckDB's functions, and which files belong to a distribution."""
    from odibi_assets.identify import distribution, sql_statement

    sql_statement._pure_macros()
    sql_statement._stability()
    sql_statement._connection().close()
    sql_statement._connection.cache_clear()  # Its threads do not live on in a fork.
    distribution._owners()
    distribution._distributions_by_module()


def main() -> None:
    import gc

    import duckdb  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import odibi_assets.cli.app
    import odibi_assets.cli.quick  # noqa: F401

    _direct_run_class()
    _look_up_what_does_not_change()
    gc.freeze()
    serve(answer_request)


if __name__ == "__main__":
    main()

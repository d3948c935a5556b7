"""A pipeline's job as a worker process loads it: from what a command line names, since nothing else crosses over.

``oda run --workers N`` runs each step in a process that is forked from a warm one (``warm.py``).
The pipeline itself is loaded anew in each.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from typing import Any

import dagster as dg

from odibi_assets.declare.overrides import Overrides
from odibi_assets.declare.project import Project
from odibi_assets.identify.pipeline_source import find_pipeline
from odibi_assets.orchestrate.assets import pipeline_definitions


def worker_job(root: str, reference: str, overrides: Mapping[str, Any]) -> dg.JobDefinition:
    """The job of the pipeline that a command line named, as that command line changed it."""
    run = multiprocessing.parent_process()
    if run is not None:
        # A worker whose run was killed would go on, beside the run that resumes it.
        threading.Thread(target=_end_with, args=(run,), daemon=True).start()
    os.chdir(root)
    source = find_pipeline(Project.at(root), reference)
    identified = source.identified(Overrides.from_json(overrides))
    return pipeline_definitions(source, identified).resolve_job_def(identified.identity.name)


def _end_with(run: BaseProcess) -> None:
    run.join()
    os.kill(os.getpid(), signal.SIGKILL)

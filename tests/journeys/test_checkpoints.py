"""What is committed and published when, in each checkpoint mode, and what a crash at that moment leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
from project_folder import Answer, ProjectFolder, Zygote
from servers.s3 import environment
from servers.seaweedfs import SeaweedFS
from servers.unsteady import UnsteadyWay

from .shop import STEPS, computed, make_shop
from .test_killed import make_sleepy_shop, start

BRONZE = {"orders", "customers"}


def committed(project: ProjectFolder) -> set[str]:
    """The steps that have a result in the store."""
    return {result["step"] for result in project.oda("cache", "ls", "--json").json["results"]}


def published(project: ProjectFolder) -> set[str]:
    """The steps of which a reader sees a result."""
    return {step for step in STEPS if project.oda("show", "pipe.yaml", step).status == 0}


def eventually(condition: object, *, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def mode(project: ProjectFolder, checkpoint: str, **steps: str) -> None:
    """Declare a checkpoint mode, and a field of some steps."""
    project.edit("pipe.yaml", "name: shop", f"name: shop\ncheckpoint: {checkpoint}")
    for step, field in steps.items():
        project.edit("pipe.yaml", f"name: {step}\n", f"name: {step}\n    {field}\n")


AT_THE_KILL = {
    "auto": ("{mode: auto}", {}, BRONZE, BRONZE),
    "layer": ("{mode: layer}", {}, BRONZE, BRONZE),
    "interval, after the clock called": ("{mode: interval, seconds: 0.2}", {}, BRONZE, BRONZE),
    "interval, before": ("{mode: interval, seconds: 3600}", {}, BRONZE, set()),
    "manual": ("{mode: manual}", {}, set(), set()),
    "manual, with a critical step": ("{mode: manual}", {"orders": "critical: true"}, {"orders"}, set()),
    "manual, with a checkpoint at the first": (
        "{mode: manual}",
        {"orders": "checkpoint: true"},
        {"orders"},
        {"orders"},
    ),
    "manual, with a checkpoint at the last": ("{mode: manual}", {"customers": "checkpoint: true"}, BRONZE, BRONZE),
}


@pytest.mark.parametrize("case", AT_THE_KILL)
def test_sigkill_leaves_what_the_mode_had_committed(project: ProjectFolder, case: str) -> None:
    checkpoint, steps, are_committed, are_published = AT_THE_KILL[case]
    make_sleepy_shop(project)
    mode(project, checkpoint, **steps)
    process = start(project)
    eventually(lambda: committed(project) == are_committed and published(project) == are_published)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert committed(project) == are_committed
    assert published(project) == are_published
    project.write("awake", "")
    resumed = project.oda("resume", "pipe.yaml", "--json")
    assert resumed.status == 0, resumed.text
    outcomes = {step["name"]: step["outcome"] for step in resumed.json["steps"]}
    assert computed(outcomes) == set(STEPS) - are_committed
    assert published(project) == set(STEPS)


@pytest.mark.parametrize("checkpoint", ["{mode: interval, seconds: 3600}", "{mode: manual}"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_stopped_run_first_commits_and_publishes_what_is_finished(
    project: ProjectFolder, checkpoint: str, number: signal.Signals
) -> None:
    make_sleepy_shop(project)
    mode(project, checkpoint)
    process = start(project)
    os.kill(process.pid, number)
    assert process.wait(timeout=60) != 0
    assert committed(project) == BRONZE
    assert published(project) == BRONZE


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("checkpoint", ["{mode: interval, seconds: 3600}", "{mode: manual}"])
def test_a_failed_run_commits_and_publishes_what_is_finished(
    project: ProjectFolder, checkpoint: str, workers: str
) -> None:
    make_shop(project)
    mode(project, checkpoint)
    project.write("broken", "")
    project.run("--workers", workers, status=1)
    assert committed(project) == BRONZE
    assert published(project) == BRONZE
    (project.root / "broken").unlink()
    assert project.oda("resume", "pipe.yaml").status == 0
    assert published(project) == set(STEPS)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("checkpoint", ["{mode: interval, seconds: 0.1}", "{mode: interval}", "{mode: manual}"])
def test_a_run_that_succeeds_has_published_everything(project: ProjectFolder, checkpoint: str, workers: str) -> None:
    make_shop(project)
    mode(project, checkpoint)
    assert computed(project.outcomes("--workers", workers)) == set(STEPS)
    assert published(project) == set(STEPS)
    assert computed(project.outcomes()) == set()


def test_workers_of_a_killed_run_had_committed_each_step_and_published_as_the_mode_says(project: ProjectFolder) -> None:
    make_sleepy_shop(project)
    mode(project, "{mode: manual}", orders="checkpoint: true")
    process = start(project, "--workers", "2")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert committed(project) == BRONZE
    assert "orders" in published(project)


def test_the_clock_of_a_worker_publishes_what_other_workers_finished(project: ProjectFolder) -> None:
    make_sleepy_shop(project)
    mode(project, "{mode: interval, seconds: 0.2}")
    process = start(project, "--workers", "2")
    eventually(lambda: published(project) == BRONZE)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)


def test_a_function_asks_for_a_checkpoint(project: ProjectFolder) -> None:
    make_sleepy_shop(project)
    mode(project, "{mode: manual}")
    project.edit("transforms.py", "def big_orders(orders, *, minimum):", "def big_orders(orders, context, *, minimum):")
    project.edit("transforms.py", "    if not pathlib", "    context.checkpoint()\n    if not pathlib")
    process = start(project)
    eventually(lambda: published(project) == BRONZE)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert committed(project) == BRONZE


@pytest.mark.parametrize("checkpoint", ["auto", "layer", "interval", "manual"])
def test_a_checkpoint_that_cannot_be_saved_is_a_warning_and_the_run_goes_on(
    project: ProjectFolder, checkpoint: str
) -> None:
    make_shop(project)
    mode(project, f"{{mode: {checkpoint}}}")
    project.oda("cache", "stats")
    project.write(".oda/blobs", "in the way")
    answer = project.oda("run", "pipe.yaml", "--json")
    assert answer.status == 0, answer.text
    assert {step["outcome"] for step in answer.json["steps"]} == {"computed"}
    assert "The run goes on" in answer.stderr
    (project.root / ".oda" / "blobs").unlink()
    assert computed(project.outcomes()) == set(STEPS)


@pytest.fixture
def way(way: UnsteadyWay) -> UnsteadyWay:
    """A way to a bucket on which the first write of data waits until it is released."""
    way.held = "/blobs/"
    return way


CHAIN = """
    name: chain
    steps:
      - {name: first, layer: bronze, python: "transforms:first"}
      - {name: second, layer: bronze, inputs: [first], python: "transforms:second"}
    """

CHAIN_TRANSFORMS = """
    import pathlib

    import pandas as pd


    def first():
        return pd.DataFrame({"n": range(3)})


    def second(first):
        pathlib.Path("began").write_text("")
        return first
    """


@pytest.fixture
def chain(seaweedfs: SeaweedFS, way: UnsteadyWay, tmp_path: Path, zygote: Zygote) -> ProjectFolder:
    """Two steps, whose store is a bucket behind that way."""
    url = f"s3://{seaweedfs.make_bucket(f'checkpoints-{uuid.uuid4().hex[:8]}')}"
    project = ProjectFolder(tmp_path, zygote, {"ODA_STORE": url, **environment(way.endpoint)})
    project.write("pipe.yaml", CHAIN)
    project.write("transforms.py", CHAIN_TRANSFORMS)
    return project


def in_thread(project: ProjectFolder, answers: list[Answer]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(project.oda("run", "pipe.yaml", "--json")))
    thread.start()
    return thread


@pytest.mark.parametrize(
    "checkpoint", ["{mode: layer}", "{mode: interval}", "{mode: manual}"], ids=["layer", "interval", "manual"]
)
def test_a_slow_store_does_not_stop_the_next_step(chain: ProjectFolder, way: UnsteadyWay, checkpoint: str) -> None:
    chain.edit("pipe.yaml", "name: chain", f"name: chain\ncheckpoint: {checkpoint}")
    chain.edit("pipe.yaml", "name: first,", "name: first, checkpoint: true,")
    answers: list[Answer] = []
    run = in_thread(chain, answers)
    assert way.is_holding.wait(60)
    eventually((chain.root / "began").exists)
    way.release()
    run.join()
    assert answers[0].status == 0, answers[0].text


@pytest.mark.parametrize("critical", [False, True], ids=["auto", "manual, critical"])
def test_the_next_step_waits_for_the_store_where_the_commit_belongs_to_the_step(
    chain: ProjectFolder, way: UnsteadyWay, critical: bool
) -> None:
    if critical:
        chain.edit("pipe.yaml", "name: chain", "name: chain\ncheckpoint: {mode: manual}")
        chain.edit("pipe.yaml", "name: first,", "name: first, critical: true,")
    answers: list[Answer] = []
    run = in_thread(chain, answers)
    assert way.is_holding.wait(60)
    time.sleep(0.5)
    assert not (chain.root / "began").exists()
    way.release()
    run.join()
    assert answers[0].status == 0, answers[0].text
    assert (chain.root / "began").exists()


def test_history_lists_what_can_be_gone_back_to(project: ProjectFolder) -> None:
    make_shop(project)
    mode(project, "{mode: layer}")
    project.write("broken", "")
    failed = project.run(status=1)["run_id"]
    (only,) = project.oda("history", "pipe.yaml", "--json").json["checkpoints"]
    assert (only["run_id"], only["done"], only["total"]) == (failed, 2, 6)
    assert set(only["steps"]) == BRONZE
    assert only["size_bytes"] > 0
    (project.root / "broken").unlink()
    resumed = project.oda("resume", "pipe.yaml", "--json").json
    found = project.oda("history", "pipe.yaml", "--json").json["checkpoints"]
    assert [each["is_current"] for each in found] == [True, False, False]
    assert found[0]["snapshot"] == resumed["snapshot"]
    assert (found[0]["run_id"], found[0]["done"], found[0]["total"]) == (resumed["run_id"], 6, 6)
    assert "(current)" in project.oda("history", "pipe.yaml").stdout


def test_so_does_python(project: ProjectFolder) -> None:
    make_shop(project)
    project.write(
        "shop.py",
        """
        import odibi_assets as oda

        shop = oda.Pipeline("shop")
        shop.read("orders", layer="bronze", format="csv", path="data/orders.csv")
        if __name__ == "__main__":
            shop.run()
            print([(found.done, found.total, found.steps, found.is_current) for found in shop.checkpoints()])
        """,
    )
    found = subprocess.run([sys.executable, "shop.py"], cwd=project.root, capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("[(1, 1, ('orders',), True)]")

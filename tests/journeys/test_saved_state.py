"""What a long step saves of its work: a killed step goes on from there, and its result is never wrong for it."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project_folder import ProjectFolder

ODA = Path(sys.executable).with_name("oda")

PIPELINE = """
    name: pages
    steps:
      - name: sizes
        layer: bronze
        read: {format: csv, path: data/sizes.csv}
      - name: fetched
        layer: silver
        inputs: [sizes]
        python: transforms:fetched
    """

TRANSFORMS = """
    import os
    import pathlib

    import folder

    def fetched(sizes, context):
        done = context.state.load() or []
        for page in range(len(done), 4):
            folder.note(f"page {page}")
            done.append(int(sizes["size"][page]) * factor())
            context.state.save(done)
            folder.wait_at(page)
        return {"sizes": done}


    def factor():
        return 1
    """

# Not recorded, so that what the tests look at is no input of the step.
FOLDER = """
    import pathlib
    import time

    from odibi_assets.identify.observing import unobserved


    def note(text):
        with unobserved(), open("noted", "a") as file:
            file.write(text + "\\n")


    def wait_at(page):
        with unobserved():
            if page == 1 and not pathlib.Path("awake").exists():
                pathlib.Path("sleeping").write_text("")
                time.sleep(300)
            if page == 2 and pathlib.Path("broken").exists():
                raise ValueError("page 3 is broken")
    """

PAGES = ["page 0", "page 1", "page 2", "page 3"]


@pytest.fixture
def pages(project: ProjectFolder) -> ProjectFolder:
    """A step that fetches four pages and saves after each; it sleeps after the second unless told to be awake."""
    project.write("pipe.yaml", PIPELINE)
    project.write("transforms.py", TRANSFORMS)
    project.write("folder.py", FOLDER)
    project.write("data/sizes.csv", "size\n1\n2\n3\n4\n")
    return project


def kill_asleep(project: ProjectFolder, *arguments: str) -> None:
    """Run in a process group of its own, and kill all of it when the step sleeps after its second page."""
    env = {**os.environ, "DAGSTER_HOME": str(project.root / "dagster_home")}
    process = subprocess.Popen(
        [str(ODA), "-C", str(project.root), "run", "pipe.yaml", *arguments],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 120
        while not (project.root / "sleeping").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    project.write("awake", "")


def noted(project: ProjectFolder) -> list[str]:
    return (project.root / "noted").read_text().splitlines()


def result(project: ProjectFolder) -> str:
    answer = project.oda("show", "pipe.yaml", "fetched")
    assert answer.status == 0, answer.text
    return answer.stdout.splitlines()[0]


def saved(project: ProjectFolder) -> list[Path]:
    return [path for path in (project.root / ".oda" / "state").rglob("*") if path.is_file()]


@pytest.mark.parametrize("again", ["run", "resume"])
@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["in process", "workers"])
def test_a_killed_step_goes_on_from_its_last_page(pages: ProjectFolder, again: str, workers: tuple[str, ...]) -> None:
    kill_asleep(pages, *workers)
    assert noted(pages) == PAGES[:2]
    answer = pages.oda(again, "pipe.yaml", *workers, "--json")
    assert answer.status == 0, answer.text
    assert noted(pages) == PAGES
    assert result(pages) == '{"sizes":[1,2,3,4]}'
    assert saved(pages) == []
    assert set(pages.outcomes().values()) == {"cached"}


def test_a_failed_step_goes_on_from_its_last_page(pages: ProjectFolder) -> None:
    pages.write("awake", "")
    pages.write("broken", "")
    pages.run(status=1)
    (pages.root / "broken").unlink()
    pages.run()
    assert noted(pages) == PAGES
    assert saved(pages) == []


@pytest.mark.parametrize("mode", ["auto", "layer"])
def test_a_step_that_succeeds_leaves_no_state(pages: ProjectFolder, mode: str) -> None:
    pages.edit("pipe.yaml", "name: pages", f"name: pages\ncheckpoint: {{mode: {mode}}}")
    pages.write("awake", "")
    pages.run()
    assert noted(pages) == PAGES
    assert saved(pages) == []


@pytest.mark.parametrize(
    ("edited", "old", "new", "expected"),
    [
        ("transforms.py", "return 1", "return 10", '{"sizes":[10,20,30,40]}'),
        ("data/sizes.csv", "2", "5", '{"sizes":[1,5,3,4]}'),
    ],
    ids=["code", "input"],
)
def test_the_state_of_another_key_is_never_handed_out(
    pages: ProjectFolder, edited: str, old: str, new: str, expected: str
) -> None:
    kill_asleep(pages)
    pages.edit(edited, old, new)
    pages.run()
    assert noted(pages) == [*PAGES[:2], *PAGES]
    assert result(pages) == expected


def test_a_forced_run_starts_anew(pages: ProjectFolder) -> None:
    kill_asleep(pages)
    pages.run("--force=fetched")
    assert noted(pages) == [*PAGES[:2], *PAGES]


def read_a_rate(project: ProjectFolder) -> None:
    """Have the step read a file that it does not declare, once, when it begins."""
    project.edit("transforms.py", "        done.append", "        rate = read_rate(page)\n        done.append")
    project.edit("transforms.py", "* factor()", "* factor() * rate")
    project.edit(
        "transforms.py",
        "    return 1",
        "    return 1\n\n\ndef read_rate(page):\n    return int(pathlib.Path('rate').read_text()) if page == 0 else 1",
    )
    project.write("rate", "7")


def test_a_state_that_rests_on_a_file_that_changed_is_not_handed_out(pages: ProjectFolder) -> None:
    read_a_rate(pages)
    kill_asleep(pages)
    pages.write("rate", "9")
    pages.run()
    assert noted(pages) == [*PAGES[:2], *PAGES]
    assert result(pages) == '{"sizes":[9,2,3,4]}'


def test_what_was_read_before_the_kill_counts_for_the_result(pages: ProjectFolder) -> None:
    read_a_rate(pages)
    kill_asleep(pages)
    pages.run()
    assert noted(pages) == PAGES
    assert result(pages) == '{"sizes":[7,2,3,4]}'
    assert pages.outcomes()["fetched"] == "cached"
    pages.write("rate", "9")
    assert pages.outcomes()["fetched"] == "computed"
    assert result(pages) == '{"sizes":[9,2,3,4]}'


def test_what_was_done_before_the_kill_speaks_against_reuse(pages: ProjectFolder) -> None:
    pages.edit(
        "transforms.py",
        "        done.append",
        "        if page == 0:\n            os.system('true')\n        done.append",
    )
    kill_asleep(pages)
    pages.run()
    assert noted(pages) == PAGES
    step = pages.plan()["fetched"]
    assert step["outcome"] == "miss"
    assert "it starts another program" in step["reason"]


def test_a_damaged_state_counts_as_none(pages: ProjectFolder) -> None:
    kill_asleep(pages)
    for path in saved(pages):
        path.chmod(0o644)
        path.write_bytes(b"damaged")
    pages.run()
    assert noted(pages) == [*PAGES[:2], *PAGES]
    assert result(pages) == '{"sizes":[1,2,3,4]}'
    assert saved(pages) == []


def test_a_state_that_can_not_be_saved_is_a_warning(pages: ProjectFolder) -> None:
    pages.write("awake", "")
    pages.edit("transforms.py", "state.save(done)", "state.save(object())")
    pages.run()
    assert result(pages) == '{"sizes":[1,2,3,4]}'
    run = pages.oda("history", "pipe.yaml", "--json").json["runs"][0]["run_id"]
    assert "The state of step 'fetched' can't be saved" in pages.oda("logs", run, "fetched").stdout


@pytest.mark.parametrize(
    ("value", "check"),
    [
        ("{'page': 2, 'rest': [None, 1.5, True]}", "found == value"),
        ("b'bytes'", "found == value"),
        ("'text'", "found == value"),
        ("np.arange(6.0).reshape(2, 3)", "np.array_equal(found, value) and found.dtype == value.dtype"),
        (
            "{'weights': np.ones(3), 'bias': np.zeros(1)}",
            "sorted(found) == sorted(value) and found['weights'].sum() == 3",
        ),
        ("pd.DataFrame({'a': [1, 2], 'b': ['x', None]})", "found.equals(value)"),
    ],
    ids=["json", "bytes", "text", "array", "arrays", "frame"],
)
def test_a_value_comes_back_as_it_was_saved(project: ProjectFolder, value: str, check: str) -> None:
    project.write("pipe.yaml", PIPELINE)
    project.write("data/sizes.csv", "size\n1\n")
    project.write(
        "transforms.py",
        f"""
        import numpy as np
        import pandas as pd


        def fetched(sizes, context):
            value = {value}
            assert context.state.load() is None
            context.state.save(value)
            found = context.state.load()
            assert {check}, found
            return {{"right": True}}
        """,
    )
    project.run()


def test_collection_deletes_what_was_saved_long_ago(pages: ProjectFolder) -> None:
    kill_asleep(pages)
    assert pages.oda("cache", "gc").status == 0
    assert len(saved(pages)) == 2
    pages.edit("pipe.yaml", "name: pages", "name: pages\nretention: {grace_days: 0}")
    answer = pages.oda("cache", "gc")
    assert answer.status == 0, answer.text
    assert saved(pages) == []


def test_clearing_a_pipeline_deletes_what_its_steps_saved(pages: ProjectFolder) -> None:
    kill_asleep(pages)
    answer = pages.oda("cache", "clear", "pages", "--yes")
    assert answer.status == 0, answer.text
    assert saved(pages) == []


def test_a_retry_goes_on_from_the_last_page(pages: ProjectFolder) -> None:
    pages.write("awake", "")
    pages.write("broken", "")
    pages.edit("pipe.yaml", "name: pages", "name: pages\nretry: {max_retries: 1}")
    pages.edit("folder.py", 'raise ValueError("page 3 is broken")', 'pathlib.Path("broken").unlink()')
    pages.edit(
        "folder.py", 'Path("broken").unlink()', 'Path("broken").unlink()\n            raise ConnectionError("lost")'
    )
    pages.run()
    assert noted(pages) == PAGES


def always_runs(project: ProjectFolder, cache: str = "") -> None:
    """Take the step's inputs away, so that it has one key for all its runs."""
    project.edit("pipe.yaml", "    inputs: [sizes]\n", f"    cache: {{{cache}}}\n")
    project.edit(
        "transforms.py", "def fetched(sizes, context):", 'def fetched(context):\n    sizes = {"size": [1, 2, 3, 4]}'
    )


def test_a_step_that_always_runs_goes_on_from_the_last_unfinished_run(pages: ProjectFolder) -> None:
    always_runs(pages)
    kill_asleep(pages)
    pages.run()
    assert noted(pages) == PAGES
    pages.run()
    assert noted(pages) == [*PAGES, *PAGES]


def test_a_state_older_than_the_time_to_live_is_not_handed_out(pages: ProjectFolder) -> None:
    always_runs(pages, "ttl: 0.001")
    kill_asleep(pages)
    pages.run()
    assert noted(pages) == [*PAGES[:2], *PAGES]


def test_a_result_with_a_time_to_live_is_as_old_as_the_work_that_it_took_over(pages: ProjectFolder) -> None:
    always_runs(pages, "ttl: 3600")
    kill_asleep(pages)
    killed_at = datetime.datetime.now(datetime.UTC)
    pages.run()
    assert noted(pages) == PAGES
    found = pages.oda("cache", "ls", "--json").json["results"]
    produced_at = next(result["produced_at"] for result in found if result["step"] == "fetched")
    assert datetime.datetime.fromisoformat(produced_at) < killed_at


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["in process", "workers"])
def test_a_resume_that_succeeds_under_another_key_leaves_no_state_of_the_run(
    pages: ProjectFolder, workers: tuple[str, ...]
) -> None:
    kill_asleep(pages)
    assert saved(pages)
    pages.edit("transforms.py", "return 1", "return 2")
    answer = pages.oda("resume", "pipe.yaml", *workers)
    assert answer.status == 0, answer.text
    assert saved(pages) == []

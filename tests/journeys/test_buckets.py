"""Stories of a store in a bucket: two machines, a server that dies during a run, a deployment's own client."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_folder import Answer, ProjectFolder, Zygote
from servers.azurite import Azurite
from servers.fake_gcs import FakeGCS
from servers.rclone import Rclone
from servers.s3 import KEY, SECRET, environment
from servers.seaweedfs import SeaweedFS
from servers.unsteady import UnsteadyWay

from .shop import STEPS, computed, make_shop


def machine(folder: Path, zygote: Zygote, url: str, env: dict[str, str]) -> ProjectFolder:
    """A copy of the project with a Dagster home of its own, and the store in a bucket."""
    folder.mkdir()
    return make_shop(ProjectFolder(folder, zygote, {"ODA_STORE": url, **env}))


@pytest.fixture(params=["az", "gs"])
def bucket(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    """A store's URL, and the variables of who uses it."""
    name = f"journey-{uuid.uuid4().hex[:8]}"
    if request.param == "az":
        azurite: Azurite = request.getfixturevalue("azurite")
        container = azurite.make_container(name)
        return f"az://{container}/shop", {"AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string}
    fake_gcs: FakeGCS = request.getfixturevalue("fake_gcs")
    return f"gs://{fake_gcs.make_bucket(name)}/shop", fake_gcs.env


def test_a_fresh_machine_reuses_what_another_computed(seaweedfs: SeaweedFS, tmp_path: Path, zygote: Zygote) -> None:
    url = f"s3://{seaweedfs.make_bucket(f'machines-{uuid.uuid4().hex[:8]}')}/shop"
    one, two = (machine(tmp_path / name, zygote, url, seaweedfs.env) for name in ("one", "two"))
    assert computed(one.outcomes()) == set(STEPS)
    document = two.run()
    assert {step["outcome"] for step in document["steps"]} == {"cached"}
    assert document["run_id"] is None
    assert two.data("summary") == one.data("summary")
    two.edit("transforms.py", "OFFSET = 0", "OFFSET = 7")
    assert computed(two.outcomes()) == {"summary"}
    one.edit("transforms.py", "OFFSET = 0", "OFFSET = 7")
    assert computed(one.outcomes()) == set()
    assert not list(one.root.rglob(".oda/results")), "nothing but copies lies in the project"


def test_a_plan_asks_the_bucket_for_all_steps_at_once(
    seaweedfs: SeaweedFS, way: UnsteadyWay, tmp_path: Path, zygote: Zygote
) -> None:
    url = f"s3://{seaweedfs.make_bucket(f'far-{uuid.uuid4().hex[:8]}')}/shop"
    project = machine(tmp_path / "one", zygote, url, environment(way.endpoint))
    project.run()
    way.delay_s, way.most_at_once = 0.1, 0
    assert set(project.outcomes().values()) == {"cached"}
    assert way.most_at_once >= len(STEPS)
    way.delay_s = 0.0
    project.edit("transforms.py", "OFFSET = 0", "OFFSET = 7")
    assert computed(project.outcomes()) == {"summary"}


def test_so_it_does_in_the_other_clouds(bucket: tuple[str, dict[str, str]], tmp_path: Path, zygote: Zygote) -> None:
    one, two = (machine(tmp_path / name, zygote, *bucket) for name in ("one", "two"))
    assert computed(one.outcomes()) == set(STEPS)
    assert computed(two.outcomes()) == set()


def test_a_failed_run_is_resumed_with_what_lies_in_the_bucket(
    seaweedfs: SeaweedFS, tmp_path: Path, zygote: Zygote
) -> None:
    url = f"s3://{seaweedfs.make_bucket(f'resume-{uuid.uuid4().hex[:8]}')}"
    project = machine(tmp_path / "one", zygote, url, seaweedfs.env)
    project.write("broken", "")
    failed = project.run(status=1)
    (project.root / "broken").unlink()
    answer = project.oda("resume", failed["run_id"], "--json")
    assert answer.status == 0, answer.text
    outcomes = {step["name"]: step["outcome"] for step in answer.json["steps"]}
    assert outcomes["orders"] == "cached"
    assert outcomes["summary"] == "computed"
    history = project.oda("history", "pipe.yaml", "--json").json
    assert [run["status"] for run in history["runs"]] == ["success", "failed"]


@pytest.fixture
def own_seaweedfs(tmp_path: Path) -> Iterator[SeaweedFS]:
    """A server that the test may kill."""
    found = SeaweedFS(tmp_path / "seaweedfs")
    found.server.start()
    yield found
    found.server.stop(by=signal.SIGKILL)


def test_a_run_goes_on_when_the_bucket_dies_in_the_middle_and_uploads_later(
    own_seaweedfs: SeaweedFS, tmp_path: Path, zygote: Zygote
) -> None:
    url = f"s3://{own_seaweedfs.make_bucket('dies')}/shop"
    one, two = (machine(tmp_path / name, zygote, url, own_seaweedfs.env) for name in ("one", "two"))
    for project in (one, two):
        # The silver step waits until somebody writes to the pipe.
        os.mkfifo(project.root / "gate")
        project.edit("transforms.py", "    return orders[", '    open("gate").read()\n    return orders[')
    answers: list[Answer] = []
    run = threading.Thread(target=lambda: answers.append(one.oda("run", "pipe.yaml", "--json")))
    run.start()
    with (one.root / "gate").open("w"):  # Opened when the step has opened its end.
        own_seaweedfs.server.stop(by=signal.SIGKILL)
    run.join()
    (answer,) = answers
    assert answer.status == 0, answer.text
    assert answer.json["status"] == "success"
    assert {step["outcome"] for step in answer.json["steps"]} == {"computed"}
    assert "does not answer" in answer.stderr
    assert "wait in" in answer.stderr

    # Still away: everything is found on this machine.
    assert computed(one.outcomes()) == set()

    own_seaweedfs.server.start()
    assert computed(one.outcomes()) == set()
    assert not [
        path
        for path in (one.root / ".oda" / "spool").rglob("*/*")
        if path.is_file() and path.name not in ("lock", "format.json") and ".locks" not in path.parts
    ]
    assert computed(two.outcomes()) == set()
    assert two.data("summary") == one.data("summary")
    history = two.oda("history", "pipe.yaml", "--json").json
    assert [run["status"] for run in history["runs"]] == ["success"]


def test_a_machine_that_never_saw_the_bucket_is_told_that_it_is_away(project: ProjectFolder) -> None:
    closed = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    project.env = {"ODA_STORE": "s3://bucket/x", **closed}
    answer = make_shop(project).oda("run", "pipe.yaml")
    assert answer.status == 1
    assert "does not answer, and this machine has never opened it" in answer.text
    assert "Traceback" not in answer.text


def test_a_server_that_ignores_conditions_is_refused_with_exit_status_2(tmp_path: Path, zygote: Zygote) -> None:
    server = Rclone(tmp_path / "rclone")
    server.server.start()
    try:
        env = {**server.env, "DAGSTER_HOME": str(tmp_path / "home")}
        project = machine(tmp_path / "one", zygote, f"s3://{server.make_bucket('refused')}/shop", env)
        answer = project.oda("run", "pipe.yaml")
        assert answer.status == 2
        assert "does not honour conditional writes" in answer.text
        assert not (tmp_path / "home" / "history").exists()
    finally:
        server.server.stop()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://host/x", "expected a path, s3://bucket/prefix"),
        ("s3://", "expected s3://bucket/prefix"),
        ("s3://user:secret-word@bucket/x", "names a bucket and a prefix only"),
        ("az://container", "AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_a_store_that_can_not_be_is_a_usage_error(project: ProjectFolder, url: str, said: str) -> None:
    project.env["ODA_STORE"] = url
    answer = make_shop(project).oda("run", "pipe.yaml")
    assert answer.status == 2
    assert said in answer.text
    assert "secret-word" not in answer.text


def test_credentials_stand_in_no_file_and_no_message(seaweedfs: SeaweedFS, tmp_path: Path, zygote: Zygote) -> None:
    url = f"s3://{seaweedfs.make_bucket(f'secret-{uuid.uuid4().hex[:8]}')}"
    project = machine(tmp_path / "one", zygote, url, seaweedfs.env)
    project.run()
    wrong = {**seaweedfs.env, "AWS_SECRET_ACCESS_KEY": SECRET + "-wrong"}
    answer = ProjectFolder(project.root, zygote, {**project.env, **wrong}).oda("run", "pipe.yaml", full=True)
    assert answer.status == 1
    assert "access was refused" in answer.text
    assert SECRET not in answer.text
    for path in project.root.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_the_client_that_resources_names_opens_the_store(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    """A copy of the checkout whose `resources/` binds Dagster's S3 resource; no variable says anything of AWS."""
    name = seaweedfs.make_bucket(f"resource-{uuid.uuid4().hex[:8]}")
    checkout = Path(__file__).parents[2]
    copy = tmp_path / "checkout"
    shutil.copytree(checkout / "odibi_assets", copy / "odibi_assets", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "resources").mkdir()
    (copy / "resources" / "__init__.py").write_text(
        "import dagster as dg\n"
        "from dagster_aws.s3 import S3Resource\n"
        "def bindings(project):\n    return {}\n"
        "def store_client(project):\n"
        f"    return S3Resource(endpoint_url={seaweedfs.endpoint!r}, region_name='us-east-1',\n"
        "        aws_access_key_id=dg.EnvVar('SHOP_KEY'), aws_secret_access_key=dg.EnvVar('SHOP_SECRET'))\n"
    )
    project = tmp_path / "shop"
    project.mkdir()
    make_shop(ProjectFolder(project, None))  # type: ignore[arg-type]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "AWS_", "DAGSTER_"))}
    env = {
        **kept,
        "PYTHONPATH": str(copy),
        "SHOP_KEY": KEY,
        "SHOP_SECRET": SECRET,
        "ODA_STORE": f"s3://{name}/x",
        "DAGSTER_HOME": str(tmp_path / "home"),
    }
    for expected in ("computed", "cached"):
        done = subprocess.run(
            [sys.executable, "-c", "from odibi_assets.cli.quick import main; main()", "run", "pipe.yaml", "--json"],
            cwd=project,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert {step["outcome"] for step in Answer(0, done.stdout, "").json["steps"]} == {expected}

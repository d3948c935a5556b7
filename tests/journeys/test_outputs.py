"""Steps that come out with more than frames: several outputs, files, folders, commands, copies for people."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from project_folder import ProjectFolder

ORDERS = "customer,amount\nann,1\nbob,2\nann,3\n"

TRAINING = """
    name: pipe
    steps:
      - name: orders
        layer: bronze
        read: {format: csv, path: data/orders.csv}
      - name: train
        layer: silver
        python: transforms:train
        inputs: [orders]
        outputs: {model: {format: pickle}, metrics: {format: json}}
      - name: report
        layer: gold
        python: transforms:report
        inputs: {model: train.model, orders: orders}
      - name: scores
        layer: gold
        python: transforms:scores
        inputs: [train.metrics]
    """

TRANSFORMS = """
    import numpy as np
    import polars as pl

    class Model:
        def __init__(self, bias):
            self.bias = bias

    def train(orders):
        total = int(orders["amount"].sum())
        return {"model": Model(total), "metrics": {"rows": len(orders)}}

    def report(model, orders: pl.DataFrame) -> str:
        return f"bias {model.bias}, {orders.height} rows"

    def scores(metrics: dict):
        return {"a": np.arange(metrics["rows"])}
    """


@pytest.fixture
def training(project: ProjectFolder) -> ProjectFolder:
    project.write("data/orders.csv", ORDERS)
    project.write("pipe.yaml", TRAINING)
    project.write("transforms.py", TRANSFORMS)
    return project


def shown(project: ProjectFolder, step: str) -> object:
    answer = project.oda("show", "pipe.yaml", step, "--json")
    assert answer.status == 0, answer.text
    return answer.json["value"]


def test_each_output_of_a_step_is_taken_by_name_and_reused(training: ProjectFolder) -> None:
    assert set(training.outcomes().values()) == {"computed"}
    assert shown(training, "report") == "bias 6, 3 rows"
    assert shown(training, "train.metrics") == {"rows": 3}
    assert set(training.outcomes().values()) == {"cached"}


def test_what_takes_an_output_that_came_out_the_same_need_not_run(training: ProjectFolder) -> None:
    training.run()
    training.write("data/orders.csv", ORDERS.replace("3", "4"))  # another sum, as many rows
    assert training.outcomes() == {"orders": "computed", "train": "computed", "report": "computed", "scores": "cached"}


def test_a_class_that_a_pickle_carries_is_part_of_what_follows(training: ProjectFolder) -> None:
    training.run()
    training.edit("transforms.py", "self.bias = bias", "self.bias = bias + 1")
    outcomes = training.outcomes()
    assert (outcomes["train"], outcomes["report"]) == ("computed", "computed")
    assert shown(training, "report") == "bias 7, 3 rows"


def test_each_output_is_an_asset_of_its_own(training: ProjectFolder) -> None:
    run_id = training.run()["run_id"]
    answer = training.oda("logs", run_id, "--json")
    materialized = [m["message"] for m in answer.json["messages"] if m["message"].startswith("Materialized")]
    assert any("pipe train model" in message for message in materialized)
    assert any("pipe train metrics" in message for message in materialized)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ('{"model": 1}', "lacks metrics: expected a dict with model, metrics"),
        ('{"model": 1, "metrics": 2, "more": 3}', "has more, which the step does not declare"),
        ('{"model": 1, "metrics": {1, 2}}', "Output 'metrics': value is a builtins.set"),
        ("[1, 2]", "expected a dict with model, metrics"),
        ("None", "It returned nothing: expected a dict with model, metrics"),
    ],
)
def test_a_return_value_that_is_not_as_declared_is_told(training: ProjectFolder, returned: str, words: str) -> None:
    training.edit(
        "transforms.py", 'return {"model": Model(total), "metrics": {"rows": len(orders)}}', f"return {returned}"
    )
    (failed,) = [step for step in training.run(status=1)["steps"] if step["outcome"] == "failed"]
    assert words in failed["error"]


def test_one_declared_output_may_be_returned_by_itself(training: ProjectFolder) -> None:
    training.write(
        "pipe.yaml",
        """
        name: pipe
        steps:
          - name: train
            layer: gold
            files: [data/orders.csv]
            python: transforms:make
            outputs: {model: {format: pickle}}
          - name: after
            layer: gold
            inputs: {model: train}
            python: transforms:use
        """,
    )
    training.write("transforms.py", "def make():\n    return {'x': 1}\n\ndef use(model):\n    return model['x'] + 1\n")
    training.run()
    assert shown(training, "after") == 2


def test_code_that_a_pickled_object_calls_is_part_of_what_follows(training: ProjectFolder) -> None:
    """No step names the class or its helper; only the pickle does."""
    training.write("rules.py", "def total(bias):\n    return bias\n")
    training.write(
        "models.py",
        """
        import rules

        class Model:
            def __init__(self, bias):
                self.start = bias

            @property
            def bias(self):
                return rules.total(self.start)

        def made(bias):
            return Model(bias)
        """,
    )
    training.edit("transforms.py", "import numpy as np", "import models\nimport numpy as np")
    training.edit("transforms.py", '"model": Model(total)', '"model": models.made(total)')
    training.run()
    assert set(training.outcomes().values()) == {"cached"}
    training.write("rules.py", "def total(bias):\n    return bias + 1\n")
    assert training.outcomes() == {"orders": "cached", "train": "computed", "report": "computed", "scores": "cached"}
    assert shown(training, "report") == "bias 7, 3 rows"


# Commands.

STAGING = """
    name: pipe
    params: {count: 2}
    steps:
      - name: staged
        layer: bronze
        command: [python, stage.py, "{{ params.count }}"]
        files: [data/orders.csv]
        env: [REGION]
        outputs: {stage: {path: data/stage, format: folder}}
      - name: listing
        layer: silver
        python: transforms:listing
        inputs: {stage: staged}
    """

STAGE = """
    import os
    import pathlib
    import sys

    from words import WORD

    folder = pathlib.Path("data/stage")
    folder.mkdir()
    for number in range(int(sys.argv[1])):
        (folder / f"{number}.txt").write_text(f"{WORD} {os.environ.get('REGION')} {os.environ.get('OTHER')}")
    print("staged", sys.argv[1])
    """

LISTING = """
    from pathlib import Path

    def listing(stage: Path):
        return {path.name: path.read_text() for path in sorted(stage.iterdir())}
    """


@pytest.fixture
def staging(project: ProjectFolder) -> ProjectFolder:
    project.write("data/orders.csv", ORDERS)
    project.write("pipe.yaml", STAGING)
    project.write("stage.py", STAGE)
    project.write("words.py", 'WORD = "hi"\n')
    project.write("transforms.py", LISTING)
    project.env |= {"REGION": "eu", "OTHER": "unseen"}
    return project


def test_a_command_sees_its_variables_and_its_folder_is_kept(staging: ProjectFolder) -> None:
    run_id = staging.run()["run_id"]
    assert shown(staging, "listing") == {"0.txt": "hi eu None", "1.txt": "hi eu None"}
    assert "staged 2" in staging.oda("logs", run_id, "staged").text
    assert set(staging.outcomes().values()) == {"cached"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: p.edit("stage.py", "staged", "did"), "file stage.py changed"),
        (lambda p: p.edit("words.py", "hi", "ho"), "file words.py changed"),
        (lambda p: p.edit("pipe.yaml", "count: 2", "count: 3"), "command command changed"),
        (lambda p: p.edit("data/orders.csv", "bob", "eve"), "file data/orders.csv changed"),
        (lambda p: p.env.update(REGION="us"), "environment variable REGION changed"),
    ],
    ids=["script", "module that it imports", "param", "file", "variable"],
)
def test_a_command_runs_again_for_what_it_takes_in(staging: ProjectFolder, change: object, reason: str) -> None:
    staging.run()
    change(staging)  # type: ignore[operator]
    steps = {step["name"]: step for step in staging.run()["steps"]}
    assert (steps["staged"]["outcome"], steps["staged"]["reason"]) == ("computed", reason)


def test_a_variable_that_is_not_declared_is_not_seen_and_changes_nothing(staging: ProjectFolder) -> None:
    staging.run()
    staging.env["OTHER"] = "x"
    assert set(staging.outcomes().values()) == {"cached"}


@pytest.mark.parametrize("damage", ["gone", "a file gone", "a file more", "a file changed"])
def test_a_folder_that_is_reused_is_put_back_as_it_was(staging: ProjectFolder, damage: str) -> None:
    staging.run()
    folder = staging.root / "data/stage"
    {
        "gone": lambda: shutil.rmtree(folder),
        "a file gone": (folder / "0.txt").unlink,
        "a file more": (folder / "more.txt").touch,
        "a file changed": lambda: (folder / "0.txt").write_text("mine"),
    }[damage]()
    assert set(staging.outcomes().values()) == {"cached"}
    assert {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(["0.txt", "1.txt"], "hi eu None")


def test_a_function_may_put_a_folder_at_a_path_that_is_empty_each_time(project: ProjectFolder) -> None:
    project.write("names.txt", "a b")
    project.write(
        "pipe.yaml",
        """
        name: pipe
        steps:
          - name: made
            layer: bronze
            python: transforms:make
            files: [names.txt]
            outputs: {pages: {path: out/pages, format: folder}, count: {format: json}}
        """,
    )
    project.write(
        "transforms.py",
        """
        import pathlib

        def make():
            folder = pathlib.Path("out/pages")
            folder.mkdir()
            names = pathlib.Path("names.txt").read_text().split()
            for name in names:
                (folder / name).write_text(name)
            return {"count": len(names)}
        """,
    )
    project.run()
    project.write("names.txt", "b c d")
    assert project.outcomes() == {"made": "computed"}
    assert {path.name for path in (project.root / "out/pages").iterdir()} == {"b", "c", "d"}
    assert shown(project, "made.count") == 3
    assert not (project.root / ".oda/local/aside").exists(), "what the pipeline made itself is not kept aside"


def test_what_a_user_put_in_a_folder_is_moved_aside_and_not_lost(staging: ProjectFolder) -> None:
    staging.write("data/stage/mine.txt", "precious")
    staging.run()
    (aside,) = (staging.root / ".oda/local/aside").iterdir()
    assert (aside / "mine.txt").read_text() == "precious"


def test_another_machine_gets_the_folder_from_the_store(
    staging: ProjectFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = str(tmp_path_factory.mktemp("store"))
    other = ProjectFolder(tmp_path_factory.mktemp("other"), staging.zygote, {**staging.env, "ODA_STORE": store})
    shutil.copytree(staging.root, other.root, dirs_exist_ok=True)
    staging.env["ODA_STORE"] = store
    staging.run()
    assert set(other.outcomes().values()) == {"cached"}
    assert (other.root / "data/stage/1.txt").read_text() == "hi eu None"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys\nprint('oh no')\nsys.exit(3)", "ended with status 3. Its last lines:\noh no"),
        ("print('done')", "made nothing at data/stage: expected its output 'stage' there"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "was stopped by signal 9"),
    ],
)
def test_a_command_that_fails_is_told_with_its_last_lines(staging: ProjectFolder, script: str, words: str) -> None:
    (staging.root / "stage.py").write_text(script)
    steps = {step["name"]: step for step in staging.run(status=1)["steps"]}
    assert words in steps["staged"]["error"]


@pytest.mark.parametrize("step", ["staged", "listing"])
def test_showing_into_a_folder_replaces_nothing_in_it(staging: ProjectFolder, step: str) -> None:
    staging.run()
    staging.write("mine/precious.txt", "precious")
    answer = staging.oda("show", "pipe.yaml", step, "--output", "mine")
    assert (answer.status, "mine is a folder" in answer.stderr) == (2, True)
    assert [path.name for path in (staging.root / "mine").iterdir()] == ["precious.txt"]
    assert staging.oda("show", "pipe.yaml", step, "--output", "new").status == 0
    assert (staging.root / "new").is_dir() == (step == "staged")


def test_what_a_failed_command_left_is_gone_and_hinders_nobody(staging: ProjectFolder) -> None:
    staging.edit("stage.py", 'print("staged"', 'raise SystemExit(1)\nprint("staged"')
    staging.run(status=1)
    assert not (staging.root / "data/stage").exists()
    staging.edit("stage.py", "raise SystemExit(1)", "")
    staging.run()
    assert not (staging.root / ".oda/local/aside").exists()


def test_a_command_that_does_not_exist_is_a_mistake(staging: ProjectFolder) -> None:
    staging.edit("pipe.yaml", "[python, stage.py", "[no-such-program, stage.py")
    (mistake,) = staging.oda("validate", "pipe.yaml", "--json").json["mistakes"]
    assert (mistake["key"], mistake["found"]) == ("steps[0].command[0]", "no-such-program")


def test_a_command_takes_frames_as_files_named_by_variables(project: ProjectFolder) -> None:
    project.write("data/orders.csv", ORDERS)
    project.write(
        "pipe.yaml",
        """
        name: pipe
        steps:
          - {name: orders, layer: bronze, read: {format: csv, path: data/orders.csv}}
          - name: counted
            layer: silver
            inputs: [orders]
            command: [python, count.py]
            outputs: {counts: {path: out/counts.json, format: json}}
        """,
    )
    project.write(
        "count.py",
        """
        import json, os
        import pyarrow.parquet as pq
        json.dump(pq.read_table(os.environ["ODA_INPUT_ORDERS"]).num_rows, open("out/counts.json", "w"))
        """,
    )
    project.run()
    assert shown(project, "counted") == 3


# Copies for people.


@pytest.fixture
def copied(project: ProjectFolder) -> ProjectFolder:
    project.write("data/orders.csv", ORDERS)
    project.write(
        "pipe.yaml",
        """
        name: pipe
        steps:
          - name: orders
            layer: bronze
            read: {format: csv, path: data/orders.csv}
            write: {format: csv, path: out/orders.csv}
        """,
    )
    return project


def test_a_copy_is_written_and_written_again_when_it_is_missing_or_another(copied: ProjectFolder) -> None:
    copied.run()
    copy = copied.root / "out/orders.csv"
    assert copy.read_text() == ORDERS
    for damage in (copy.unlink, lambda: copy.write_text("mine")):
        damage()
        assert copied.outcomes() == {"orders": "cached"}
        assert copy.read_text() == ORDERS


def test_a_copy_that_is_right_is_left_alone(copied: ProjectFolder) -> None:
    copied.run()
    before = (copied.root / "out/orders.csv").stat().st_mtime_ns
    copied.run()
    assert (copied.root / "out/orders.csv").stat().st_mtime_ns == before


def test_the_copy_is_no_part_of_the_key(copied: ProjectFolder) -> None:
    copied.run()
    copied.edit("pipe.yaml", "format: csv, path: out/orders.csv", "format: jsonl, path: out/orders.jsonl")
    assert copied.outcomes() == {"orders": "cached"}
    assert (copied.root / "out/orders.jsonl").read_text().splitlines()[0] == '{"customer":"ann","amount":1}'


def test_a_copy_that_can_not_be_written_fails_the_step_and_keeps_its_result(copied: ProjectFolder) -> None:
    (copied.root / "out").write_text("a file where a folder should be")
    (step,) = copied.run(status=1)["steps"]
    assert step["outcome"] == "failed"
    assert "The copy out/orders.csv of step 'orders' can't be written" in step["error"]
    (copied.root / "out").unlink()
    assert copied.outcomes() == {"orders": "cached"}
    assert (copied.root / "out/orders.csv").read_text() == ORDERS


# Reading.


def test_folders_named_key_value_are_columns_and_their_names_count(project: ProjectFolder) -> None:
    for year in (2013, 2014):
        project.write(f"data/sales/year={year}/part.csv", f"amount\n{year - 2000}\n")
    project.write(
        "pipe.yaml",
        "name: pipe\nsteps:\n  - {name: sales, layer: bronze, read: {format: csv, path: data/sales}}\n",
    )
    project.run()
    assert project.data("sales") == [{"amount": 13, "year": 2013}, {"amount": 14, "year": 2014}]
    assert project.outcomes() == {"sales": "cached"}
    Path(project.root / "data/sales/year=2014").rename(project.root / "data/sales/year=2015")
    assert project.outcomes() == {"sales": "computed"}
    assert [row["year"] for row in project.data("sales")] == [2013, 2015]


# Jobs.


def test_a_job_runs_its_steps_and_says_what_it_does_not_know(training: ProjectFolder) -> None:
    training.edit("pipe.yaml", "name: pipe", "name: pipe\njobs: {first-two: [orders, train]}")
    assert training.outcomes("--job", "first-two") == {"orders": "computed", "train": "computed"}
    answer = training.oda("run", "pipe.yaml", "--job", "first-tow")
    assert (answer.status, "Did you mean 'first-two'?" in answer.stderr) == (2, True)
    both = training.oda("run", "pipe.yaml", "--job", "first-two", "--select", "orders")
    assert (both.status, "expected one of the two" in both.stderr) == (2, True)


VALUES = """
    name: pipe
    steps:
      - name: made
        layer: bronze
        command: [./make.sh, out/text.txt]
        files: [word.txt]
        outputs:
          text: {path: out/text.txt, format: text}
          json: {path: out/value.json, format: json}
          bytes: {path: out/some.bin, format: bytes}
    """
MAKE = (
    '#!/bin/sh\ncp word.txt "$1"; echo "{\\"a\\": \\"$(cat word.txt)\\"}" > out/value.json; cp word.txt out/some.bin\n'
)


@pytest.fixture
def values(project: ProjectFolder) -> ProjectFolder:
    project.write("pipe.yaml", VALUES)
    project.write("make.sh", MAKE).chmod(0o755)
    project.write("word.txt", "one")
    return project


def made(project: ProjectFolder) -> list[object]:
    folder = project.root / "out"
    value = json.loads((folder / "value.json").read_text())
    return [(folder / "text.txt").read_text(), value["a"], (folder / "some.bin").read_text()]


def test_values_that_a_program_made_are_put_back(values: ProjectFolder) -> None:
    """An argument that names an output is no input of its own."""
    assert values.outcomes() == {"made": "computed"}
    shutil.rmtree(values.root / "out")
    assert values.outcomes() == {"made": "cached"}
    assert made(values) == ["one", "one", "one"]
    values.write("word.txt", "two")
    assert values.outcomes() == {"made": "computed"}
    values.write("word.txt", "one")
    assert values.outcomes() == {"made": "cached"}
    assert made(values) == ["one", "one", "one"]


def test_an_output_does_not_leave_the_project_by_a_link(
    values: ProjectFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (values.root / "out").symlink_to(outside)
    (step,) = values.run(status=1)["steps"]
    assert f"out/text.txt leads to {outside}, outside the project root" in step["error"]
    (values.root / "out").unlink()
    (values.root / "out").mkdir()
    (values.root / "out/text.txt").symlink_to(outside / "new.txt")
    assert values.outcomes() == {"made": "computed"}
    assert list(outside.iterdir()) == []


def test_secrets_stand_in_no_log_and_no_record(project: ProjectFolder) -> None:
    """One in an argument, one in a declared variable, one that a function tells its log."""
    project.env |= {"TOKEN": "t0ken-of-ann", "OTHER": "0ther-of-bob"}
    project.write("data/orders.csv", ORDERS)
    project.write(
        "pipe.yaml",
        """
        name: pipe
        on_error: continue
        steps:
          - name: printed
            layer: bronze
            command: [sh, -c, 'echo $0 $OTHER; exit 3', "{{ env.TOKEN }}"]
            files: [data/orders.csv]
            env: [OTHER]
            outputs: {out: {path: out.txt, format: text}}
          - name: logged
            layer: bronze
            python: transforms:logged
            files: [data/orders.csv]
            params: {token: {secret: "{{ env.TOKEN }}"}}
        """,
    )
    project.write(
        "transforms.py",
        """
        import logging
        import sys


        def logged(context, *, token):
            context.log.info("it is %s", token)
            print("printed", token)
            print("on the other stream", token, file=sys.stderr)
            logging.getLogger("theirs").warning("logged by them: %s", token)
            raise ValueError(token)
        """,
    )
    run = project.run(status=1)
    told = [project.oda(*command).text for command in (["history", "pipe.yaml"], ["logs", run["run_id"]])]
    told.append(project.oda("run", "pipe.yaml").text)
    assert "it is ***" in told[1]
    for text in ("printed ***", "on the other stream ***", "logged by them: ***"):
        assert text in told[2]
    files = [path.read_bytes() for path in project.root.rglob("*") if path.is_file()]
    for secret in (project.env["TOKEN"], project.env["OTHER"]):
        assert not [text for text in [str(run), *told] if secret in text]
        assert not [data for data in files if secret.encode() in data]

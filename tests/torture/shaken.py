"""A pipeline to be killed: every kind of step, in three layers; each value says of which generation it is.

A generation is one state of the input file. Every step depends on it, so that every step is computed
anew for each, and so that a reader can tell what belongs together.
"""

from __future__ import annotations

from project_folder import ProjectFolder

PIPELINE = """
    name: shaken
    checkpoint: CHECKPOINT
    steps:
      - name: numbers
        layer: bronze
        read: {format: csv, path: data/numbers.csv}
      - name: files
        layer: bronze
        command: [PYTHON, make_files.py]
        files: [make_files.py, data/numbers.csv]
        outputs: {folder: {path: made/, format: folder}}
      - {name: squares, layer: silver, inputs: [numbers], python: "transforms:squares"}
      - {name: pages, layer: silver, inputs: [numbers], python: "transforms:pages"}
      - name: joined
        layer: silver
        inputs: [numbers, squares]
        sql: |
          select numbers.number, square, numbers.generation
          from numbers join squares on numbers.number = squares.number order by 1
      - name: trained
        layer: gold
        inputs: [joined]
        python: "transforms:trained"
        outputs: {model: {format: numpy}, metrics: {format: json}}
      - name: report
        layer: gold
        inputs: {joined: joined, pages: pages, files: files, metrics: trained.metrics}
        python: "transforms:report"
        write: {format: json, path: out/report.json}
    """

TRANSFORMS = """
    import pathlib

    import numpy as np

    import counted


    def squares(numbers):
        counted.note("squares", numbers)
        return numbers.assign(square=numbers["number"] ** 2)


    def pages(numbers, context):
        counted.note("pages", numbers)
        done = context.state.load() or []
        for page in range(len(done), 4):
            done.append(int(numbers["number"].iloc[page]))
            context.state.save(done)
            counted.pause()
        return {"generation": int(numbers["generation"].iloc[0]), "pages": done}


    def trained(joined):
        counted.note("trained", joined)
        metrics = {"generation": int(joined["generation"].iloc[0]), "total": int(joined["square"].sum())}
        return {"model": np.full(3, joined["generation"].iloc[0], dtype=np.int64), "metrics": metrics}


    def report(joined, pages, files: pathlib.Path, metrics):
        counted.note("report", joined)
        generations = {metrics["generation"], pages["generation"], *joined["generation"].tolist()}
        generations.add(int((files / "generation").read_text()))
        assert len(generations) == 1, generations
        return {"generation": max(generations), "total": metrics["total"], "pages": pages["pages"]}
    """

MAKE_FILES = """
    import pathlib

    import counted

    rows = pathlib.Path("data/numbers.csv").read_text().splitlines()[1:]
    pathlib.Path("made").mkdir(exist_ok=True)
    for row in rows:
        number, generation = row.split(",")
        pathlib.Path("made", f"number-{number}").write_text(number)
        counted.pause()
    pathlib.Path("made", "generation").write_text(generation)
    """

# Not recorded, so that what the harness looks at is no input of a step.
COUNTED = """
    import time

    from odibi_assets.identify.observing import unobserved


    def note(step, frame):
        generation = int(frame["generation"].iloc[0])
        with unobserved(), open("noted", "a") as file:
            file.write(f"{step} {generation}\\n")
        pause()


    def pause():
        time.sleep(0.01)
    """

NUMBERS = range(1, 6)


def make_shaken(project: ProjectFolder, checkpoint: str) -> None:
    project.write("pipe.yaml", PIPELINE.replace("CHECKPOINT", checkpoint).replace("PYTHON", "python3"))
    project.write("transforms.py", TRANSFORMS)
    project.write(
        "make_files.py",
        MAKE_FILES.replace("import counted\n\n", "import time\n\n").replace("counted.pause()", "time.sleep(0.005)"),
    )
    project.write("counted.py", COUNTED)


def set_generation(project: ProjectFolder, generation: int) -> None:
    rows = "".join(f"{number * generation},{generation}\n" for number in NUMBERS)
    project.write("data/numbers.csv", "number,generation\n" + rows)


def expected_report(generation: int) -> dict[str, object]:
    """What the pipeline must come to, told without it."""
    numbers = [number * generation for number in NUMBERS]
    return {"generation": generation, "total": sum(n * n for n in numbers), "pages": numbers[:4]}

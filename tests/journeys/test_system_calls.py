"""What the kernel sees: under strace no project file is read outside declared, observed and refused (truth.md 4.5).

An oracle that is not ours. It looks at every open that succeeds or fails below the project's root.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from project_folder import ProjectFolder
from servers.server import missing

from odibi_assets.keep.results import open_results

PIPELINE = """
    name: pipe
    steps:
      - {name: rows, layer: bronze, read: {format: csv, path: "data/*.csv"}}
      - {name: hive, layer: bronze, read: {format: parquet, path: "hive/*/x.parquet"}}
      - {name: asked, layer: silver, inputs: [rows], sql: {file: asked.sql}}
      - {name: opened, layer: silver, inputs: [rows], python: "transforms:opened"}
      - {name: threads, layer: silver, inputs: [rows], python: "transforms:threads"}
      - {name: looked_for, layer: silver, inputs: [rows], python: "transforms:looked_for"}
      - {name: declared, layer: silver, files: [seen/declared.parquet], python: "transforms:declared"}
      - {name: native, layer: silver, inputs: [rows], python: "transforms:native"}
      - {name: another_program, layer: silver, inputs: [rows], python: "transforms:another_program"}
      - name: program
        layer: silver
        inputs: [rows]
        command: [sh, tool.sh]
        files: [tool.sh, seen/tool.txt]
        outputs: {out: {format: text, path: out/out.txt}}
    """
TRANSFORMS = """
    import json
    import os
    import pathlib
    import sqlite3
    import subprocess
    import threading
    import zipfile
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq

    import helper

    LOADED = json.loads(pathlib.Path("seen/at_import.json").read_text())


    def opened(rows):
        found = [open("seen/a.txt").read(), pathlib.Path("seen/b.txt").read_text(), np.load("seen/c.npy")]
        found += [pd.read_csv("seen/d.csv"), zipfile.ZipFile("seen/e.zip").namelist(), helper.note()]
        found += [sqlite3.connect("seen/f.db").execute("select * from t").fetchall(), os.listdir("seen/folder")]
        return rows.assign(found=repr(found), loaded=str(LOADED))


    def threads(rows):
        found = []
        thread = threading.Thread(target=lambda: found.append(open("seen/g.txt").read()))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(2) as pool:
            found += pool.map(lambda name: open(name).read(), ["seen/h.txt", "seen/i.txt"])
        return rows.assign(found=repr(found))


    def looked_for(rows):
        try:
            return rows.assign(found=open("seen/missing.txt").read())
        except FileNotFoundError:
            return rows


    def declared():
        return pd.read_parquet("seen/declared.parquet")


    def native(rows):
        return pq.read_table("refused/native.parquet")


    def another_program(rows):
        return rows.assign(found=subprocess.run(["cat", "refused/by_cat.txt"], capture_output=True).stdout)
    """
REFUSED = {"native": "refused/native.parquet", "another_program": "refused/by_cat.txt"}
NO_DATA = (
    "transforms",
    "helper",
    "__pycache__",
    "pipe.yaml",
    "pyproject.toml",
    "asked.sql",
    "out/",
    ".oda",
    "dagster_home",
)


def make(project: ProjectFolder) -> None:
    project.write("pipe.yaml", PIPELINE)
    project.write("transforms.py", TRANSFORMS)
    project.write("helper.py", "def note():\n    return open('seen/note.txt').read()\n")
    project.write("asked.sql", "select * from rows")
    project.write("tool.sh", "cat seen/tool.txt > out/out.txt\n")
    for name in ("data/a.csv", "data/b.csv", "seen/d.csv"):
        project.write(name, "n\n1\n")
    for name in ("a", "b", "g", "h", "i", "note", "tool", "folder/x"):
        project.write(f"seen/{name}.txt", name)
    project.write("seen/at_import.json", "1")
    project.write("refused/by_cat.txt", "1")
    project.write("out/keep", "")
    frame = pd.DataFrame({"n": [1]})
    (project.root / "hive/k=1").mkdir(parents=True)
    for name in ("hive/k=1/x", "seen/declared", "refused/native"):
        frame.to_parquet(project.root / f"{name}.parquet")
    np.save(project.root / "seen/c.npy", np.arange(3))
    shutil.make_archive(str(project.root / "seen/e"), "zip", project.root / "seen/folder")
    with sqlite3.connect(project.root / "seen/f.db") as database:
        database.execute("create table t (n integer)")
    database.close()


def read_below(root: Path, log: Path) -> set[str]:
    """Files below a root that were opened for reading, or looked for in vain, by any process."""
    found = set()
    pattern = re.compile(r'open(?:at2?)?\((?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"([^"]*)", ([^)]*)')
    for line in log.read_text(errors="replace").splitlines():
        match = pattern.search(line)
        if match is None:
            continue
        folder, name, flags = match.groups()
        path = Path(os.path.normpath(Path(folder or root) / name))
        if "O_WRONLY" not in flags and path.is_relative_to(root) and path != root:
            found.add(str(path.relative_to(root)))
    return found


def test_no_project_file_is_read_outside_declared_observed_and_refused(project: ProjectFolder) -> None:
    if shutil.which("strace") is None:
        missing("strace")
    make(project)
    log = project.root.parent / "calls"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ODA_", "DAGSTER_", "PYTHON"))}
    command = ["strace", "-f", "-y", "-qq", "--seccomp-bpf", "-e", "trace=open,openat,openat2", "-o", str(log)]
    command += [sys.executable, "-m", "odibi_assets", "-C", str(project.root), "run", "pipe.yaml"]
    env = {**kept, "DAGSTER_HOME": str(project.root / "dagster_home")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=project.root)
    assert done.returncode == 0, done.stdout + done.stderr

    read = {name for name in read_below(project.root, log) if not name.startswith(NO_DATA)}
    results = {result.key.step: result for result in open_results(project.root / ".oda").all()}
    declared = {str(item.shown) for result in results.values() for item in result.key.files.values()}
    observed = {one.name for result in results.values() for one in result.trace}
    at_import = {"seen/at_import.json"}
    folders = {"data", "hive", "hive/k=1"}
    assert read - declared - observed - at_import - folders == set(REFUSED.values())
    assert {"seen/a.txt", "seen/f.db", "seen/i.txt", "seen/missing.txt", "data/b.csv", "seen/declared.parquet"} <= read
    plan = project.plan()
    assert {name for name, step in plan.items() if "always runs" in step["reason"]} == set(REFUSED)
    project.write("seen/at_import.json", "2")
    assert project.plan()["opened"]["outcome"] == "miss"

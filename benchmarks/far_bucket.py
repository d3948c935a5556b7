"""Planning 100 steps whose results lie in a bucket 20 ms away, against asking it for one after another.

python far_bucket.py    plans in the working directory, as ``oda plan`` does; with ONE_BY_ONE set, one after another
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Cost, Row, alternated, process

CHECKOUT = Path(__file__).resolve().parents[1]
STEPS = 100
DELAY_S = 0.02


def plan() -> None:
    from odibi_assets.cli.quick import main
    from odibi_assets.decide import plan

    if os.environ.get("ONE_BY_ONE"):
        plan.AT_ONCE = 1
    sys.argv[1:] = ["plan", "pipe.yaml"]
    main()


def rows(runs: int) -> Iterator[Row]:
    sys.path.insert(0, str(CHECKOUT / "tests"))
    from servers.s3 import environment
    from servers.seaweedfs import SeaweedFS
    from servers.unsteady import UnsteadyWay

    with tempfile.TemporaryDirectory(dir=CHECKOUT / "benchmarks") as folder:
        project = Path(folder, "project")
        project.mkdir()
        steps = [
            f"  - {{name: s{number}, layer: silver, inputs: [s0], sql: select a + {number} as a from s0}}"
            for number in range(1, STEPS)
        ]
        first = "  - {name: s0, layer: bronze, read: {format: csv, path: data.csv}}"
        (project / "data.csv").write_text("a\n1\n")
        (project / "pipe.yaml").write_text("\n".join(["name: pipe", "steps:", first, *steps, ""]))
        server = SeaweedFS(Path(folder, "server"))
        server.server.start()
        way = UnsteadyWay(server.port)
        try:
            env = {"ODA_STORE": f"s3://{server.make_bucket('far')}/far", **environment(way.endpoint)}
            process([str(Path(sys.executable).with_name("oda")), "run", "pipe.yaml"], project, env)
            way.delay_s = DELAY_S

            def planned(**more: str) -> Cost:
                return process([sys.executable, __file__], project, {**env, **more})

            ours, theirs = alternated(min(runs, 3), planned, lambda: planned(ONE_BY_ONE="1"))
        finally:
            way.close()
            server.server.stop()
    yield Row(
        f"planning {STEPS} steps in a bucket 20 ms away, against one request after another",
        f"{ours.seconds:.1f} s",
        f"{theirs.seconds:.1f} s",
        ours.seconds / theirs.seconds,
        "0.25",
    )


if __name__ == "__main__":
    plan()

"""Many small steps: the same functions as a pipeline of ours, and as plain Dagster assets.

python small_steps.py PROJECT COUNT    writes a pipeline of COUNT steps in 20 layers, and plain_assets.py
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

LAYERS = 20
DATA = "key,value\n" + "".join(f"{i},{i % 7}\n" for i in range(100))


def write_project(root: Path, count: int) -> None:
    """A pipeline in ``small.yaml``, its functions in ``steps.py``, and the same as Dagster assets."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "rows.csv").write_text(DATA)
    width = count // LAYERS
    functions, steps, assets = (
        ["def work(frame, amount):\n    return frame.assign(value=frame['value'] + amount)\n"],
        [],
        [],
    )
    for i in range(count):
        layer, above = i // width, i - width
        if layer == 0:
            steps.append(f"  - {{name: s{i}, layer: l0, read: {{format: csv, path: rows.csv}}}}")
            assets.append(f"@dg.asset\ndef s{i}():\n    return pd.read_csv('rows.csv')\n")
            continue
        functions.append(f"def s{i}(s{above}):\n    return work(s{above}, {i})\n")
        steps.append(f"  - {{name: s{i}, layer: l{layer}, inputs: [s{above}], python: 'steps:s{i}'}}")
        assets.append(f"@dg.asset\ndef s{i}(s{above}):\n    return work(s{above}, {i})\n")
    layers = ", ".join(f"l{i}" for i in range(LAYERS))
    (root / "steps.py").write_text("\n\n".join(functions))
    (root / "small.yaml").write_text(f"name: small\nlayers: [{layers}]\nsteps:\n" + "\n".join(steps) + "\n")
    (root / "plain_assets.py").write_text(
        "import sys\n\nimport dagster as dg\nimport pandas as pd\n\nfrom steps import work\n\n\n"
        + "\n\n".join(assets)
        + textwrap.dedent(
            """

            if __name__ == "__main__":
                found = [value for value in list(globals().values()) if isinstance(value, dg.AssetsDefinition)]
                with dg.DagsterInstance.get() as instance:
                    io_manager = dg.FilesystemIOManager(base_dir=sys.argv[1])
                    result = dg.materialize(found, instance=instance, resources={"io_manager": io_manager})
                assert result.success
            """
        )
    )


if __name__ == "__main__":
    write_project(Path(sys.argv[1]), int(sys.argv[2]))

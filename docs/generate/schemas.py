"""Write ``docs/schemas``: the JSON schema of each command's document. A contract, kept in sight."""

from __future__ import annotations

import json
from pathlib import Path

from odibi_assets.cli.documents import schemas

FOLDER = Path(__file__).parents[1] / "schemas"


def main() -> None:
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

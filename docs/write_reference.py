"""Write what is made from the code: the reference of the command line, and a schema of each command's document."""

from __future__ import annotations

import json
from pathlib import Path

from odibi_assets.cli.documents import schemas
from odibi_assets.cli.reference import reference

DOCS = Path(__file__).parent

(DOCS / "reference" / "command-line.md").write_text(reference(), encoding="utf-8")
for name, schema in schemas().items():
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    (DOCS / "schemas" / name).write_text(text, encoding="utf-8")

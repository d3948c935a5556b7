"""``oda init``: a new project that runs at once."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json
from odibi_assets.errors import UsageError


def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The new project's folder; made if it is missing.")],
    json: JsonOption = False,
) -> None:
    """Make a project with a pipeline, data, tests, a Makefile and a README; it overwrites nothing.

    Example: oda init shop
    """
    root = Path(context.obj.directory) / directory
    templates = dict(_templates(files("odibi_assets") / "new_project"))
    present = [name for name in templates if (root / name).exists()]
    if present:
        raise UsageError(
            f"{root} has {', '.join(present)} already: expected a folder without them. Nothing was written."
        )
    for name, template in templates.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(template.read_bytes())
        except OSError as error:
            raise UsageError(
                f"{path} can't be written: {error.strerror}. Name a folder that can be written."
            ) from error
    if json:
        print_json({"project": str(root), "files": sorted(templates)})
        return
    typer.echo(f"{root}: {len(templates)} files. Next: cd {directory} && oda run shop.yaml")


def _templates(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """Name in the new project → the file that it is copied from."""
    for found in folder.iterdir():
        if found.is_dir():
            if found.name != "__pycache__":
                yield from _templates(found, f"{prefix}{found.name}/")
        else:
            name = ".gitignore" if found.name == "gitignore" else found.name.removesuffix(".template")
            yield prefix + name, found

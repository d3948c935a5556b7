"""Which store a command works on: the one that is named, else the project's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from odibi_assets.declare.project import STORE_VARIABLE, Project
from odibi_assets.errors import UsageError
from odibi_assets.identify.pipeline_source import pipelines
from odibi_assets.keep.results import Results, open_results

StoreOption = Annotated[str | None, typer.Option("--store", metavar="PATH", help="A store other than the project's.")]


def opened(project: Project, store: str | None = None) -> Results:
    """The store that ``--store`` names, else the one in which the project's pipelines keep their results.

    Raises:
        UsageError: There is no such store, or the project's pipelines have several.
    """
    if store is not None:
        return named(project, store)
    declared = [source.definition().pipeline for source, _ in pipelines(project)]
    found = [project.store_root(pipeline.store) for pipeline in declared if pipeline is not None]
    roots = {str(root) if isinstance(root, Path) else root.url: root for root in found}
    if len(roots) > 1:
        raise UsageError(
            f"The pipelines here use {len(roots)} stores: name one with --store ({', '.join(sorted(roots))})."
        )
    return open_results(next(iter(roots.values())) if roots else project.store_root(None))


def named(project: Project, store: str, *, create: bool = False) -> Results:
    """The store at a path or URL, whatever ODA_STORE says.

    Raises:
        UsageError: There is none.
    """
    env = {name: value for name, value in project.env.items() if name != STORE_VARIABLE}
    root = replace(project, env=env).store_root(store)
    if not create and isinstance(root, Path) and not (root / "format.json").is_file():
        raise UsageError(f"There is no store at {root}: expected a folder with a format.json in it.")
    return open_results(root)

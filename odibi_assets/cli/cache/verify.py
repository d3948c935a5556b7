"""``oda cache verify``: is everything what its name says?"""

from __future__ import annotations

import typer

from odibi_assets.cli.cache.opening import StoreOption, opened
from odibi_assets.cli.opened import JsonOption
from odibi_assets.cli.output import print_json


def verify(context: typer.Context, store: StoreOption = None, json: JsonOption = False) -> None:
    """Read everything and check it against its name. Exit status 1 if anything is damaged.

    What is damaged is moved aside, and its step runs again when it is next needed.

    Example: oda cache verify
    """
    results = opened(context.obj.project, store)
    damage = list(results.damage())
    count = sum(1 for _ in results.store.list("blobs")) + sum(1 for _ in results.store.list("results"))
    if json:
        print_json({"checked": count, "damage": damage})
    else:
        for sentence in damage:
            typer.echo(sentence)
        typer.echo(f"{count} objects checked, {len(damage)} damaged.")
    if damage:
        raise typer.Exit(1)

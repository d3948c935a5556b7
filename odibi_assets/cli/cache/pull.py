"""``oda cache pull``: copy results, and what is current, from another store."""

from __future__ import annotations

from typing import Annotated

import typer

from odibi_assets.cli.cache.opening import StoreOption, named, opened
from odibi_assets.cli.cache.transferring import SkipSaltedOption, copy
from odibi_assets.cli.opened import JsonOption


def pull(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="A store: a path or URL.")],
    skip_salted: SkipSaltedOption = False,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Copy what this store lacks from another one, verified on arrival.

    Results and data are copied before the snapshots that name them, and these before what is current, which moves
    forward only: where both sides moved, they are merged, and whoever published a step last counts. It can be
    stopped and repeated. Runs are not copied.

    Results that rest on environment variables hold digests salted by their store: an empty store takes the salt of
    the other; stores with different salts are refused, or such results left out with --skip-salted.

    Example: oda cache pull /mnt/shared/results
    """
    project = context.obj.project
    target = opened(project, store)
    copy(named(project, source), target, skip_salted=skip_salted, as_json=json)

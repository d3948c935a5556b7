"""``oda cache``: look at the store of results, and keep house in it. One file per command."""

from __future__ import annotations

import typer

from odibi_assets.cli.cache import audit, clear, gc, invalidate, ls, pull, push, show, stats, verify

app = typer.Typer(
    help="Look at the store of results, and keep house in it.", no_args_is_help=True, rich_markup_mode=None
)

app.command("ls")(ls.ls)
app.command("show")(show.show)
app.command("invalidate")(invalidate.invalidate)
app.command("clear")(clear.clear)
app.command("verify")(verify.verify)
app.command("audit")(audit.audit)
app.command("gc")(gc.gc)
app.command("stats")(stats.stats)
app.command("push")(push.push)
app.command("pull")(pull.pull)

"""Pictures of Dagster's UI: a headless Chromium visits a real ``oda dev``.

Chromium is the distribution's own (``apt-get install chromium``); ``CHROMIUM`` names another.
"""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

_FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync".split()


def take(address: str, folder: Path, *, run_id: str) -> None:
    """Take the asset graph, a run and an asset of the pipeline ``flights``.

    Args:
        address: Of the server.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), headless=True, args=_FLAGS
        )
        page = browser.new_page(viewport={"width": 1440, "height": 810})
        page.set_default_timeout(60_000)
        _graph(page, address)
        page.screenshot(path=folder / "ui-graph.png")
        page.goto(f"{address}/runs/{run_id}")
        expect(page.get_by_text("Success", exact=True).first).to_be_visible()
        expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / "ui-run.png")
        page.goto(f"{address}/assets/flights/carrier_delay?view=events")
        expect(page.get_by_text("outcome", exact=True).first).to_be_visible()
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / "ui-asset.png")
        browser.close()


def _graph(page: Page, address: str) -> None:
    page.goto(f"{address}/asset-groups")
    nodes = page.locator("svg foreignObject")
    expect(nodes.filter(has_text="carrier_delay").first).to_be_visible()
    page.wait_for_timeout(1500)

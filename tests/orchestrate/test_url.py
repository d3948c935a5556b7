"""A step that reads a URL, as Dagster sees it: loading asks nobody, and shows what the current result was made of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.http_source import HttpSource

from .code_location import CodeLocation

CSV = "customer,amount\n1,5\n2,7\n"


@pytest.fixture
def source() -> Iterator[HttpSource]:
    with HttpSource() as server:
        yield server


@pytest.fixture
def reading(location: CodeLocation, source: HttpSource) -> CodeLocation:
    location.write(
        "pipe.yaml",
        f"""
        name: shop
        steps:
          - name: orders
            layer: bronze
            read: {{format: csv, url: "{source.put("/orders.csv", CSV, etag='"1"')}?key={{{{ env.URL_KEY }}}}"}}
        """,
    )
    return location


def test_loading_asks_nobody_and_after_a_run_shows_the_code_version_of_its_result(
    reading: CodeLocation, source: HttpSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URL_KEY", "s3cret-key")
    before = reading.code_versions()
    assert source.requests == []
    run = reading.launch()
    assert run.success
    recorded = (run.materializations["orders"].tags or {})["dagster/code_version"]
    asked = len(source.requests)
    assert reading.code_versions() == {"orders": recorded} != before
    source.put("/orders.csv", CSV + "3,9\n", etag='"2"')
    assert reading.code_versions() == {"orders": recorded}
    assert len(source.requests) == asked


def test_the_asset_shows_the_address_as_it_is_declared(
    reading: CodeLocation, source: HttpSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URL_KEY", "s3cret-key")
    graph = reading.load().resolve_asset_graph()
    (key,) = graph.get_all_asset_keys()
    assert graph.get(key).metadata["url"] == source.url("/orders.csv?key={{ env.URL_KEY }}")

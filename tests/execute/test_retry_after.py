"""The wait that a server asks for is found in the errors of the clients that carry its answer."""

from __future__ import annotations

import contextlib
import datetime
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.config
import httpx
import pytest
import requests

from odibi_assets.execute.retry_after import retry_after_s

from .rude_servers import RudeServers

NOW = datetime.datetime(2013, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RudeServers]:
    with contextlib.closing(RudeServers(tmp_path_factory.mktemp("servers"))) as found:
        yield found


def s3(url: str) -> None:
    base, _, key = url.partition("/status/")
    config = botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    client = boto3.client(
        "s3", endpoint_url=base, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b",
        config=config,
    )  # fmt: skip
    client.meta.events.register("before-sign", lambda request, **_: setattr(request, "url", url))
    client.get_object(Bucket="status", Key=key)


CLIENTS: dict[str, Callable[[str], Any]] = {
    "urllib": lambda url: urllib.request.urlopen(url),
    "requests": lambda url: requests.get(url, timeout=20).raise_for_status(),
    "httpx": lambda url: httpx.get(url).raise_for_status(),
    "botocore": s3,
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Tue, 01 Jan 2013 12:01:30 GMT", 90.0),
        ("Tue, 01 Jan 2013 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_seconds_and_dates(servers: RudeServers, client: str, asked: str, seconds: float | None) -> None:
    with pytest.raises(Exception, match="429|as asked for") as caught:
        CLIENTS[client](servers.url(429, asked))
    assert retry_after_s(caught.value, NOW) == seconds


def test_it_is_found_behind_the_error_of_a_step(servers: RudeServers) -> None:
    def load() -> None:
        try:
            httpx.get(servers.url(429, "7")).raise_for_status()
        except httpx.HTTPStatusError as error:
            raise RuntimeError("the load failed") from error

    with pytest.raises(RuntimeError) as caught:
        load()
    assert retry_after_s(caught.value, NOW) == 7.0
    assert retry_after_s(ValueError("wrong"), NOW) is None

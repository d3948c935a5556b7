"""A step reads a URL: the server spares the transfer, the content decides, and a source that fails is no old copy."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from project_folder import ProjectFolder
from servers.http_source import File, HttpSource, long_ago

CSV = "name,price\na,1\nb,2\n"
ROWS = [{"name": "a", "price": 1}, {"name": "b", "price": 2}]
TOKEN = "s3cret/+token"


@pytest.fixture
def source() -> Iterator[HttpSource]:
    with HttpSource() as server:
        yield server


def declare(project: ProjectFolder, url: str, *, format: str = "csv", read: str = "", fields: str = "") -> None:
    project.write(
        "pipe.yaml",
        f"""
        name: pipe
        steps:
          - name: prices
            layer: bronze
            read: {{format: {format}, url: "{url}"{read}}}
            {fields}
          - {{name: total, layer: gold, inputs: [prices], sql: select sum(price) as price from prices}}
        """,
    )


def outcome(project: ProjectFolder) -> str:
    return project.outcomes()["prices"]


@pytest.mark.parametrize("format", ["csv", "json", "jsonl", "parquet", "excel"])
def test_every_format_is_read(project: ProjectFolder, source: HttpSource, format: str) -> None:
    frame, body = pd.DataFrame(ROWS), io.BytesIO()
    if format == "excel":
        frame.to_excel(body, index=False)
    elif format == "parquet":
        frame.to_parquet(body)
    else:
        text = CSV if format == "csv" else frame.to_json(orient="records", lines=format == "jsonl")
        body.write(text.encode())
    declare(project, source.put("/prices", body.getvalue()), format=format)
    assert outcome(project) == "computed"
    assert project.data("prices") == ROWS


def test_an_etag_spares_the_transfer(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV, etag='"1"'))
    assert outcome(project) == "computed"
    assert source.sent_bytes == len(CSV)
    assert outcome(project) == "cached"
    assert source.sent_bytes == len(CSV)
    assert [request.status for request in source.requests] == [200, 304]


def test_a_time_of_change_spares_the_transfer(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV, changed_at=long_ago()))
    assert outcome(project) == "computed"
    assert outcome(project) == "cached"
    assert source.sent_bytes == len(CSV)


def test_what_changed_this_very_second_may_change_again_and_is_transferred(
    project: ProjectFolder, source: HttpSource
) -> None:
    declare(project, source.put("/prices.csv", CSV, changed_at=long_ago() + 3600 + 5))
    assert outcome(project) == "computed"
    assert outcome(project) == "cached"
    assert "if-modified-since" not in source.requests[-1].headers


def test_without_either_the_same_content_is_still_a_hit(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV))
    assert outcome(project) == "computed"
    assert [request.status for request in source.requests] == [200], "the plan and the run ask once"
    assert outcome(project) == "cached"
    assert source.sent_bytes == 2 * len(CSV)


def test_the_same_content_under_a_new_etag_is_a_hit(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV, etag='"1"'))
    outcome(project)
    source.put("/prices.csv", CSV, etag='"2"')
    assert outcome(project) == "cached"
    assert source.requests[-1].status == 200


def test_another_content_under_the_same_etag_counts_once_it_is_sent(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV, etag='"1"'))
    outcome(project)
    for copies in (project.root / ".oda" / "local").rglob("urls/*.json"):
        copies.unlink()
    source.put("/prices.csv", CSV + "c,3\n", etag='"1"')
    assert outcome(project) == "computed"


def test_another_content_is_read_again_and_the_reason_says_so(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV, etag='"1"'))
    project.run()
    source.put("/prices.csv", CSV + "c,3\n", etag='"2"')
    planned = project.plan()["prices"]
    assert planned["outcome"] == "miss"
    assert "/prices.csv" in planned["reason"]
    assert "changed" in planned["reason"]
    project.run()
    assert project.data("total") == [{"price": 6}]


def test_what_has_moved_is_a_hit_since_only_the_content_counts(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV))
    outcome(project)
    declare(project, source.put("/moved.csv", CSV))
    assert outcome(project) == "cached"


def test_a_redirect_is_followed(project: ProjectFolder, source: HttpSource) -> None:
    source.put("/prices.csv", CSV)
    source.files["/old.csv"] = File(leads_to="/prices.csv")
    declare(project, source.url("/old.csv"))
    assert outcome(project) == "computed"


def test_headers_do_not_go_to_another_host(project: ProjectFolder, source: HttpSource) -> None:
    with HttpSource() as other:
        source.files["/old.csv"] = File(leads_to=other.put("/prices.csv", CSV))
        project.env["TOKEN"] = TOKEN
        declare(project, source.url("/old.csv"), read=', headers: {X-Api-Key: "{{ env.TOKEN }}"}')
        assert outcome(project) == "computed"
        assert source.requests[0].headers["x-api-key"] == TOKEN
        assert "x-api-key" not in other.requests[0].headers


def test_packed_bodies_are_unpacked(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV, is_packed=True))
    outcome(project)
    assert project.data("prices") == ROWS


def test_a_packed_file_is_unpacked_whatever_its_address(project: ProjectFolder, source: HttpSource) -> None:
    packed = subprocess.run(["gzip", "-n"], input=CSV.encode(), capture_output=True, check=True).stdout
    declare(project, source.put("/prices", packed))
    outcome(project)
    assert project.data("prices") == ROWS


def test_the_copy_may_be_deleted_and_is_fetched_again(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV, etag='"1"'))
    outcome(project)
    for path in (project.root / ".oda" / "local").rglob("urls/*"):
        if path.suffix != ".json":
            path.unlink()
    declare(project, source.url("/prices.csv"), read=", options: {nrows: 1}")
    assert outcome(project) == "computed"
    assert project.data("prices") == ROWS[:1]


# A source that fails.

TRANSIENT = ["500", "429", "reset", "truncated", "cut chunks"]


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_failure_of_the_moment_is_tried_again(project: ProjectFolder, source: HttpSource, fault: str) -> None:
    declare(project, source.put("/prices.csv", CSV), fields="retry: {max_retries: 2, delay: 0}")
    source.faults = [fault, fault]  # type: ignore[list-item]  # for the plan, and for the first attempt
    step = project.run()["steps"][0]
    assert (step["outcome"], step["attempts"]) == ("computed", 2)
    assert project.data("prices") == ROWS


@pytest.mark.parametrize("fault", TRANSIENT)
def test_without_retries_the_step_fails_and_says_why(project: ProjectFolder, source: HttpSource, fault: str) -> None:
    declare(project, source.put("/prices.csv", CSV))
    source.faults = [fault, fault]  # type: ignore[list-item]
    step = project.run(status=1)["steps"][0]
    assert step["outcome"] == "failed"
    assert "transient, and no retry is left" in project.oda("logs", "last", "prices").text or step["error"]
    assert source.url("/prices.csv") in step["error"]


def test_a_refusal_is_not_tried_again(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.url("/none.csv"), fields="retry: {max_retries: 3, delay: 0}")
    step = project.run(status=1)["steps"][0]
    assert step["attempts"] == 1
    assert "answered 404 Not Found, expected 200" in step["error"]
    assert len(source.requests) == 2


def test_retry_after_is_waited_for(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV), fields="retry: {max_retries: 1, delay: 3600}")
    source.faults, source.retry_after = ["429", "429"], "1"
    assert project.run()["steps"][0]["attempts"] == 2


def test_a_timeout_ends_a_stalled_request(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV), fields="timeout: 0.5")
    source.faults = ["500", "stall"]
    step = project.run(status=1)["steps"][0]
    assert "took longer than its timeout of 0.5 s" in step["error"]


def test_a_source_that_is_away_is_a_miss_and_never_the_old_copy(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV, etag='"1"'))
    project.run()
    source.faults = ["500"] * 3
    plan = project.plan()
    assert plan["prices"]["outcome"] == "miss"
    assert "answered 500 Internal Server Error" in plan["prices"]["reason"]
    assert plan["total"]["outcome"] == "unknown"
    assert project.run(status=1)["steps"][0]["outcome"] == "failed"
    assert outcome(project) == "cached"


def test_a_machine_without_the_network_is_told_so(project: ProjectFolder, source: HttpSource) -> None:
    with HttpSource() as gone:
        url = gone.url("/prices.csv")
    declare(project, url)
    assert "Connection refused" in project.plan()["prices"]["reason"]


# What the network is asked for.


def test_a_code_location_asks_no_url(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV, etag='"1"'))
    project.run()
    source.requests.clear()
    for command in (["list"], ["graph", "pipe.yaml"], ["show", "pipe.yaml", "prices"], ["validate"], ["sync"]):
        assert project.oda(*command, full=True).status == 0
    assert source.requests == []


def test_several_urls_are_asked_at_once(project: ProjectFolder, source: HttpSource) -> None:
    """The first answers only when the second was asked."""
    with HttpSource() as other:
        first, second = source.put("/a.csv", CSV), other.put("/b.csv", CSV)
        source.faults = ["stall"]
        project.write(
            "pipe.yaml",
            f"""
            name: pipe
            steps:
              - {{name: a, layer: bronze, read: {{format: csv, url: "{first}"}}}}
              - {{name: b, layer: bronze, read: {{format: csv, url: "{second}"}}}}
            """,
        )
        other.before_answer = source.over.set
        plan = project.plan()
    assert plan["b"]["outcome"] == "miss"
    assert "can't be reached, or broke off" in plan["a"]["reason"]


def test_a_step_whose_condition_is_false_asks_nothing(project: ProjectFolder, source: HttpSource) -> None:
    declare(project, source.put("/prices.csv", CSV), fields="when: false")
    assert outcome(project) == "absent"
    assert source.requests == []


# Secrets.


def test_a_secret_is_nowhere(project: ProjectFolder, source: HttpSource) -> None:
    project.env["TOKEN"] = TOKEN
    source.put("/prices.csv", CSV, etag='"1"')
    declare(
        project,
        source.url("/prices.csv?token={{ env.TOKEN }}"),
        read=', headers: {Authorization: "Bearer {{ env.TOKEN }}"}',
        fields="retry: {max_retries: 1, delay: 0}",
    )
    source.faults = ["reset", "500"]
    texts = [project.oda("plan", "pipe.yaml").text, project.oda("run", "pipe.yaml").text]
    assert source.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
    source.faults = ["reset"] * 5
    texts += [project.oda("run", "pipe.yaml", "--force").text, project.oda("plan", "pipe.yaml").text]
    project.env["TOKEN"] = "another\nline" + TOKEN
    texts += [project.oda("run", "pipe.yaml").text]
    texts += [json.dumps([request.status for request in source.requests])]
    kept = [path for path in project.root.rglob("*") if path.is_file() and path.name != "pipe.yaml"]
    for secret in (TOKEN, "s3cret%2F%2Btoken"):
        for text in texts:
            assert secret not in text
        for path in kept:
            assert secret not in path.name
            assert secret.encode() not in path.read_bytes(), path


def test_another_token_for_the_same_content_is_a_hit(project: ProjectFolder, source: HttpSource) -> None:
    source.put("/prices.csv", CSV)
    declare(project, source.url("/prices.csv?token={{ env.TOKEN }}"))
    project.env["TOKEN"] = TOKEN
    assert outcome(project) == "computed"
    project.env["TOKEN"] = "another"
    assert outcome(project) == "cached"


@pytest.mark.parametrize("base", ["http://user:pass@127.0.0.1", "ftp://127.0.0.1", "nowhere"])
def test_an_address_from_the_environment_is_checked_and_not_shown(project: ProjectFolder, base: str) -> None:
    project.env["BASE"] = base
    declare(project, "{{ env.BASE }}/prices.csv")
    answer = project.oda("plan", "pipe.yaml")
    assert "{{ env.BASE }}/prices.csv" in answer.text
    assert base not in answer.text


def test_python_declares_it_too(project: ProjectFolder, source: HttpSource) -> None:
    url = source.put("/prices.csv", CSV)
    project.write(
        "shop.py",
        f"""
        import odibi_assets as oda

        shop = oda.Pipeline("shop")
        shop.read("prices", layer="bronze", format="csv", url="{url}", headers={{"Accept": "text/csv"}})
        """,
    )
    assert project.outcomes(pipeline="shop.py:shop") == {"prices": "computed"}
    assert source.requests[0].headers["accept"] == "text/csv"
    exported = project.oda("export", "shop.py:shop").stdout
    assert f"url: {url}" in exported
    Path(project.root / "same.yaml").write_text(exported)
    assert project.outcomes(pipeline="same.yaml") == {"prices": "cached"}

"""A 2 GB result to and from S3: ours, a plain boto3 loop, and dagster-aws's S3 pickle IO manager.

python bucket.py WAY FILE BUCKET    runs one way in this process: oda, boto3, pickle, or idle-WAY (its imports only)
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measure import Cost, Row, median, process

CHECKOUT = Path(__file__).resolve().parents[1]
SIZE = 2 * 2**30
PART = 8 * 2**20


def timed(put: Callable[[], Any], get: Callable[[Any], Any]) -> None:
    """Print the seconds of both directions."""
    started = time.perf_counter()
    there = put()
    middle = time.perf_counter()
    get(there)
    print(middle - started, time.perf_counter() - middle)


def oda(file: Path, bucket: str, *, idle: bool) -> None:
    """Through the store: digested, uploaded, and by another machine downloaded and verified."""
    from odibi_assets.declare.project import Project
    from odibi_assets.keep.formats.files import FilesFormat
    from odibi_assets.keep.results import open_results

    with tempfile.TemporaryDirectory(dir=file.parent) as folder:

        def results(machine: str) -> Any:
            root = Path(folder, machine)
            root.mkdir()
            return open_results(Project.at(root).store_root(f"s3://{bucket}/oda"))

        first, second, format = results("first"), results("second"), FilesFormat("file")
        if idle:
            return

        def put() -> Any:
            kept = format.settle(file, shared=True, folder=Path(folder, "values"))
            return kept.output(format.write(kept, first))

        timed(put, lambda output: format.read(output, second))


def boto3_loop(file: Path, bucket: str, *, idle: bool) -> None:
    """Part after part, as one writes it by hand."""
    import boto3

    client = boto3.client("s3")
    if idle:
        return

    def put() -> None:
        upload = client.create_multipart_upload(Bucket=bucket, Key="plain")["UploadId"]
        parts = []
        with file.open("rb") as read:
            while data := read.read(PART):
                number = len(parts) + 1
                answer = client.upload_part(Bucket=bucket, Key="plain", PartNumber=number, UploadId=upload, Body=data)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        client.complete_multipart_upload(Bucket=bucket, Key="plain", UploadId=upload, MultipartUpload={"Parts": parts})

    def get(_: object) -> None:
        with tempfile.NamedTemporaryFile(dir=file.parent) as target:
            for part in client.get_object(Bucket=bucket, Key="plain")["Body"].iter_chunks(PART):
                target.write(part)

    timed(put, get)


def pickle(file: Path, bucket: str, *, idle: bool) -> None:
    """dagster-aws's IO manager, on the bytes of the file."""
    import dagster as dg
    from dagster_aws.s3 import S3PickleIOManager, S3Resource

    manager = S3PickleIOManager(s3_resource=S3Resource(), s3_bucket=bucket, s3_prefix="pickle")
    if idle:
        return
    data = file.read_bytes()
    key = dg.AssetKey("big")
    put = lambda: manager.handle_output(dg.build_output_context(asset_key=key), data)  # noqa: E731
    upstream = dg.build_output_context(asset_key=key)
    timed(put, lambda _: manager.load_input(dg.build_input_context(asset_key=key, upstream_output=upstream)))


WAYS = {"oda": oda, "boto3": boto3_loop, "pickle": pickle}


def directions(costs: list[Cost]) -> list[float]:
    """Median seconds to the bucket, and from it."""
    taken = [list(map(float, cost.output.split())) for cost in costs]
    return [statistics.median(seconds[i] for seconds in taken) for i in (0, 1)]


def rows(runs: int) -> Iterator[Row]:
    sys.path.insert(0, str(CHECKOUT / "tests"))
    from servers.seaweedfs import SeaweedFS

    with tempfile.TemporaryDirectory(dir=CHECKOUT / "benchmarks") as folder:
        file = Path(folder, "result.bin")
        with file.open("wb") as written:
            for _ in range(SIZE // PART):
                written.write(os.urandom(PART))
        server = SeaweedFS(Path(folder, "server"))
        server.server.start()
        try:
            idle = {way: run(f"idle-{way}", file, server.make_bucket(f"idle-{way}"), server.env) for way in WAYS}
            found: dict[str, list[Cost]] = {way: [] for way in WAYS}
            for number in range(min(runs, 3)):
                for way in WAYS:
                    bucket = server.make_bucket(f"bench-{way}-{number}")
                    found[way].append(run(way, file, bucket, server.env))
        finally:
            server.server.stop()
    ours = directions(found["oda"])
    for way, name in (("boto3", "a plain boto3 loop"), ("pickle", "dagster-aws's S3 pickle IO manager")):
        theirs = directions(found[way])
        for i, direction in enumerate(("to", "from")):
            yield Row(
                f"2 GB {direction} S3, against {name}",
                f"{ours[i]:.1f} s",
                f"{theirs[i]:.1f} s",
                ours[i] / theirs[i],
                "1",
            )
    for way, costs in found.items():
        more = median(costs).peak_mb - idle[way].peak_mb
        target = "300 MB" if way == "oda" else "–"
        yield Row(
            f"2 GB to and from S3: peak memory above idle, {way}",
            f"{more:.0f} MB",
            f"{idle[way].peak_mb:.0f} MB",
            more,
            target,
        )


def run(way: str, file: Path, bucket: str, env: dict[str, str]) -> Cost:
    return process([sys.executable, __file__, way, str(file), bucket], file.parent, env)


if __name__ == "__main__":
    way = sys.argv[1].removeprefix("idle-")
    WAYS[way](Path(sys.argv[2]), sys.argv[3], idle=sys.argv[1] != way)

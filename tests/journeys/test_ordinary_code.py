"""Code as people write it is reused: nothing in it is taken for a leak, and its modules need not be imported again."""

from __future__ import annotations

import re

from project_folder import ProjectFolder

TRANSFORMS = """
    from __future__ import annotations

    import abc
    import asyncio
    import collections
    import concurrent.futures
    import contextlib
    import dataclasses
    import datetime
    import enum
    import functools
    import hashlib
    import json
    import logging
    import pathlib
    import queue
    import statistics
    import tempfile
    import threading
    import typing
    import warnings

    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import pyarrow.compute as pc

    log = logging.getLogger(__name__)
    T = typing.TypeVar("T")
    REGISTRY = {}


    class Options(typing.TypedDict, total=False):
        by: int


    class Base(abc.ABC):
        @abc.abstractmethod
        def amount(self) -> int: ...


    @dataclasses.dataclass(slots=True, order=True)
    class Item(Base):
        v: int = 1

        def amount(self):
            return self.v


    class Stack(typing.Generic[T]):
        def __init__(self):
            self.items: list[T] = []

        def push(self, item: T):
            self.items.append(item)


    class Mode(enum.Flag):
        FAST = enum.auto()
        SAFE = enum.auto()


    def register(name):
        def decorate(function):
            REGISTRY[name] = function
            return function

        return decorate


    @register("double")
    def double(x):
        return x * 2


    @functools.singledispatch
    def shown(x):
        return str(x)


    @shown.register
    def _(x: int):
        return f"number {x}"


    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            log.debug("start %s", function.__name__)
            return function(*args, **kwargs)

        return wrapper


    @contextlib.contextmanager
    def quiet():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield


    async def plus_one(x):
        await asyncio.sleep(0)
        return x + 1


    def in_coroutines(rows):
        async def all_of_them():
            return await asyncio.gather(*(plus_one(x) for x in rows["v"]))

        return rows.assign(v=asyncio.run(all_of_them()))


    def in_a_pool(rows):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return rows.assign(v=list(pool.map(double, rows["v"])))


    def in_a_thread(rows):
        found = queue.Queue()
        thread = threading.Thread(target=lambda: found.put(int(rows["v"].sum())))
        thread.start()
        thread.join()
        return pd.DataFrame({"s": [found.get()]})


    def with_polars(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.group_by("k").agg(pl.col("v").sum(), pl.col.v.max().alias("most")).sort("k")


    def with_arrow(rows: pa.Table) -> pa.Table:
        return rows.append_column("w", pc.multiply(rows["v"], 2))


    @logged
    def decorated(rows):
        with quiet():
            return rows.assign(v=rows["v"].map(REGISTRY["double"]), s=[shown(int(x)) for x in rows["v"]])


    def through_a_temporary_file(rows):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "rows.csv.gz"
            rows.to_csv(path, index=False, compression="gzip")
            return pd.read_csv(path)


    def with_classes(rows):
        stack = Stack()
        for v in rows["v"]:
            stack.push(Item(int(v)))
        amounts = [item.amount() for item in sorted(stack.items)]
        return pd.DataFrame({"v": amounts, "mode": [(Mode.FAST | Mode.SAFE).value] * len(rows)})


    def seeded(rows):
        return rows.assign(n=np.random.default_rng(7).normal(size=len(rows))).sample(frac=1.0, random_state=3)


    def grouped(rows):
        means = {k: statistics.mean(group["v"]) for k, group in rows.groupby("k")}
        counts, lists = collections.Counter(rows["k"]), collections.defaultdict(list)
        for row in rows.itertuples():
            lists[row.k].append(row.v)
        texts = [json.dumps(lists[k]) for k in means]
        return pd.DataFrame({"k": list(means), "m": list(means.values()), "n": [counts[k] for k in means], "l": texts})


    def matched(rows):
        def name(x):
            match x:
                case 1:
                    return "one"
                case int(n) if n > 2:
                    return "many"
                case _:
                    return "some"

        return rows.assign(name=[name(int(v)) for v in rows["v"]])


    def hashed(rows):
        return rows.assign(
            h=[hashlib.sha256(f"{row.k}{row.v}".encode()).hexdigest()[:8] for row in rows.itertuples()],
            d=[datetime.date(2020, 1, int(v)).isoformat() for v in rows["v"]],
        )


    def with_sets(rows):
        wanted, seen = {"a", "b"}, set(rows["k"])
        columns = [column for column in rows.columns if column in {"k", "v"}]
        return rows.loc[rows["k"].isin(wanted & seen), columns].assign(n=len(seen))


    def merged(rows):
        most = rows.groupby("k", as_index=False)["v"].max().rename(columns={"v": "most"})
        return rows.merge(most, on="k").sort_values(["k", "v"]).reset_index(drop=True)


    def with_texts(rows):
        return rows.assign(k=rows["k"].str.replace(r"^a", "A", regex=True), p=rows["k"].str.extract(r"(\\w)")[0])


    def with_times(rows):
        times = pd.to_datetime("2024-01-01", utc=True) + pd.to_timedelta(rows["v"], unit="D")
        return rows.assign(m=times.dt.tz_convert("Europe/Vienna").dt.strftime("%H:%M"))


    def told(rows):
        print(rows.describe())
        log.info("%d rows", len(rows))
        return rows


    def by_row(rows):
        return rows.assign(z=rows.apply(lambda row: row["k"] * int(row["v"]), axis=1)).query("v > 1").eval("w = v * 2")


    def with_matrices(rows):
        outer = np.outer(rows["v"], rows["v"]).astype(float)
        return pd.DataFrame({"x": np.linalg.svd(outer)[1].round(6), "c": getattr(rows["v"], "cumsum")()})
    """
STEPS = re.findall(r"    def (\w+)\(rows", TRANSFORMS)


def test_ordinary_code_is_reused_without_an_import(project: ProjectFolder) -> None:
    steps = "".join(
        f"  - {{name: {step}, layer: silver, inputs: [rows], python: 'transforms:{step}'}}\n" for step in STEPS
    )
    project.write("rows.csv", "k,v\na,1\nb,2\na,3\n")
    project.write("transforms.py", TRANSFORMS)
    project.write(
        "pipe.yaml",
        "name: pipe\nsteps:\n  - {name: rows, layer: bronze, read: {format: csv, path: rows.csv}}\n" + steps,
    )
    assert set(project.outcomes().values()) == {"computed"}
    answer = project.oda("plan", "pipe.yaml")
    assert f"{len(STEPS) + 1} hit" in answer.stdout, answer.stdout
    assert "imported each time" not in answer.stdout

"""Calls whose answer differs from one time to the next, and readers that no hook sees.

An audit hook does not see them (truth.md 4.5), so they are judged from the code that a
fingerprint reaches: what is found makes the step non-reusable unless it declares otherwise.
"""

from __future__ import annotations

from odibi_assets.identify.code_object import Reference, Usage

_CLOCKS = frozenset(
    """time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns
    time.process_time time.localtime time.gmtime time.ctime time.asctime time.strftime datetime.datetime.now
    datetime.datetime.utcnow datetime.datetime.today datetime.date.today pandas.Timestamp.now
    pandas.Timestamp.today pandas.Timestamp.utcnow""".split()
)
_RANDOM = frozenset("uuid.uuid1 uuid.uuid4 os.urandom os.getrandom random.SystemRandom".split())
_RANDOM_MODULES = ("random.", "secrets.", "numpy.random.")
SEEDABLE = frozenset(
    """random.Random numpy.random.default_rng numpy.random.RandomState numpy.random.SeedSequence
    numpy.random.PCG64""".split()
)
_SEEDS = frozenset("random.seed numpy.random.seed".split())
_NEUTRAL_RANDOM = frozenset("numpy.random.Generator numpy.random.BitGenerator numpy.random.mtrand".split())
_READERS = frozenset(
    """pandas.read_parquet pandas.read_feather pandas.read_orc pandas.read_hdf pandas.read_sql pandas.read_sql_query
    pandas.read_sql_table pandas.read_gbq pandas.HDFStore
    pyarrow.memory_map pyarrow.OSFile pyarrow.input_stream pyarrow.MemoryMappedFile""".split()
)
_READER_MODULES = tuple(
    """duckdb. pyarrow.parquet. pyarrow.dataset. pyarrow.csv. pyarrow.feather. pyarrow.orc. pyarrow.json. pyarrow.fs.
    obstore. h5py.""".split()
)
_READING_NAMES = tuple(
    """read_ scan_ open connect sql query execute dataset parquet_dataset from_ File Parquet Local table view module_
    default_connection""".split()
)


PUBLIC_MODULES = {
    "pandas._libs.tslibs.timestamps": "pandas",
    "pandas.io.parquet": "pandas",
    "pandas.io.sql": "pandas",
    "pandas.io.feather_format": "pandas",
    "pandas.io.orc": "pandas",
    "pandas.io.pytables": "pandas",
    "pyarrow.parquet.core": "pyarrow.parquet",
    "numpy.random._generator": "numpy.random",
    "numpy.random.mtrand": "numpy.random",
    "numpy.random.bit_generator": "numpy.random",
    "numpy.random._pcg64": "numpy.random",
    "pyarrow._csv": "pyarrow.csv",
    "pyarrow._json": "pyarrow.json",
    "pyarrow._fs": "pyarrow.fs",
    "pyarrow.lib": "pyarrow",
    "_duckdb": "duckdb",
    "posix": "os",
    "_random": "random",
    "builtins": "",
}
"""Module in which a library defines something → the one under which it is known."""


def volatility(name: str, reference: Reference, usage: Usage) -> tuple[str, str] | None:
    """Kind and description of what a fully qualified name does, if it is volatile.

    >>> volatility("time.time", Reference("time", ("time",), 1), Usage())
    ('clock', 'it reads the clock with time.time')
    >>> volatility("time.sleep", Reference("time", ("sleep",), 1), Usage()) is None
    True
    """
    if name in _CLOCKS:
        return "clock", f"it reads the clock with {name}"
    if name in SEEDABLE:
        return ("random", f"it makes an unseeded {name}") if reference.arguments == 0 else None
    if name in _RANDOM or (name.startswith(_RANDOM_MODULES) and name not in _NEUTRAL_RANDOM and name not in _SEEDS):
        module = name.rpartition(".")[0]
        seeded = any(
            ".".join((other.name, *other.attributes)).endswith("seed") and module != "secrets"
            for other in usage.references
        )
        return None if seeded and name not in _RANDOM else ("random", f"it draws from {name} without a seed")
    if name in _READERS or (name.startswith(_READER_MODULES) and name.rpartition(".")[2].startswith(_READING_NAMES)):
        return "reader", f"{name} reads files by itself, unseen"
    if name.startswith("polars.") and name.rpartition(".")[2].startswith(("read_", "scan_")):
        return "reader", f"{name} reads files by itself, unseen"
    return None


def free_volatility(usage: Usage) -> tuple[str, str, int] | None:
    """The same for a method of something whose type is not known: kind, description, line."""
    line = usage.free_attributes.get("sample")
    if line is not None and "random_state" not in usage.keywords:
        return "random", "it calls .sample() without random_state", line
    for name in ("read_parquet", "scan_parquet"):
        if name in usage.free_attributes:
            return "reader", f".{name}() reads files by itself, unseen", usage.free_attributes[name]
    return None

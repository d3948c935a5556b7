"""Calls whose answer differs from one time to the next, and readers that no hook sees.

An audit hook does not see them (truth.md 4.5), so they are judged from the code that a
fingerprint reaches: what is found makes the step non-reusable unless it declares otherwise.
"""

from __future__ import annotations

from collections.abc import Collection

from odibi_assets.identify.code_object import Reference, Usage

_CLOCKS = frozenset(
    """time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns
    time.process_time time.process_time_ns time.thread_time time.thread_time_ns time.clock_gettime
    time.clock_gettime_ns time.localtime time.gmtime time.ctime time.asctime time.strftime datetime.datetime.now
    datetime.datetime.utcnow datetime.datetime.today datetime.date.today pandas.Timestamp.now
    pandas.Timestamp.today pandas.Timestamp.utcnow""".split()
)
_CLOCK_LIBRARIES = ("pendulum.", "arrow.", "whenever.", "django.utils.timezone.", "dateutil.utils.")
_CLOCK_METHODS = ("now", "utcnow", "today")
_TAKE_NOW = frozenset("pandas.Timestamp pandas.to_datetime pandas.date_range numpy.datetime64".split())
_RANDOM = frozenset("uuid.uuid1 uuid.uuid4 os.urandom os.getrandom random.SystemRandom".split())
_RANDOM_MODULES = ("random.", "secrets.", "numpy.random.")
SEEDABLE = frozenset(
    """random.Random numpy.random.default_rng numpy.random.RandomState numpy.random.SeedSequence
    numpy.random.PCG64 numpy.random.PCG64DXSM numpy.random.MT19937 numpy.random.Philox numpy.random.SFC64""".split()
)
_SEEDS = frozenset("random.seed numpy.random.seed".split())
_NEUTRAL_RANDOM = frozenset("numpy.random.Generator numpy.random.BitGenerator numpy.random.mtrand".split())
_OF_THE_PROCESS = frozenset(
    """sys.argv sys.orig_argv sys.path sys.executable sys.stdin sys.getrefcount os.getpid os.getppid os.getloadavg
    os.times threading.get_ident threading.get_native_id resource.getrusage builtins.input""".split()
)
_CHANGES_A_LIST = ("append", "insert", "extend", "remove")
_READERS = frozenset(
    """pandas.read_parquet pandas.read_feather pandas.read_orc pandas.read_hdf pandas.read_sql pandas.read_sql_query
    pandas.read_sql_table pandas.read_gbq pandas.HDFStore pandas.read_spss
    pyarrow.memory_map pyarrow.OSFile pyarrow.input_stream pyarrow.MemoryMappedFile
    cv2.imread datatable.fread scipy.io.mmread lxml.etree.parse lxml.html.parse fastexcel.read_excel
    safetensors.safe_open onnxruntime.InferenceSession xgboost.Booster lightgbm.Booster""".split()
)
_READER_MODULES = tuple(
    """duckdb. pyarrow.parquet. pyarrow.dataset. pyarrow.csv. pyarrow.feather. pyarrow.orc. pyarrow.json. pyarrow.fs.
    obstore. h5py. tables. netCDF4. xarray. geopandas. pyogrio. fiona. rasterio. pyreadstat. deltalake. lance.
    ctypes. cffi.""".split()
)
_READING_NAMES = tuple(
    """read_ scan_ open connect sql query execute dataset parquet_dataset from_ File Parquet Local table view module_
    default_connection Dataset DeltaTable CDLL PyDLL LibraryLoader cdll pydll FFI""".split()
)
# Their sockets are opened by compiled code, which raises no audit event.
_NETWORK_MODULES = tuple(
    """psycopg2. psycopg. pyodbc. MySQLdb. pymssql. oracledb. connectorx. adbc_driver_ pycurl. grpc. confluent_kafka.
    pyarrow.flight. sqlalchemy.create_engine""".split()
)
_COMPUTED = {
    "time": ("clock", "may be a clock"),
    "datetime": ("clock", "may be a clock"),
    "random": ("random", "may draw at random"),
    "secrets": ("random", "may draw at random"),
    "uuid": ("random", "may draw at random"),
    "numpy.random": ("random", "may draw at random"),
    **dict.fromkeys(
        "pandas polars duckdb pyarrow pyarrow.parquet pyarrow.dataset pyarrow.csv".split(),
        ("reader", "may read files by itself, unseen"),
    ),
}


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
    "numpy.random._philox": "numpy.random",
    "numpy.random._mt19937": "numpy.random",
    "numpy.random._sfc64": "numpy.random",
    "pyarrow._csv": "pyarrow.csv",
    "pyarrow._json": "pyarrow.json",
    "pyarrow._fs": "pyarrow.fs",
    "pyarrow.lib": "pyarrow",
    "_duckdb": "duckdb",
    "posix": "os",
    "_socket": "socket",
    "_locale": "locale",
    "_ctypes": "ctypes",
    "_thread": "threading",
    "_random": "random",
    "builtins": "",
}
"""Module in which a library defines something → the one under which it is known."""


def seeded_modules(references: Collection[tuple[tuple[str, ...], Reference]]) -> frozenset[str]:
    """The modules whose global generator a function seeds, with a seed that it names."""
    return frozenset(
        name.rpartition(".")[0]
        for names, reference in references
        for name in names
        if name in _SEEDS and reference.arguments != 0
    )


def volatility(name: str, reference: Reference, seeded: Collection[str] = ()) -> tuple[str, str] | None:
    """Kind and description of what a fully qualified name does, if it is volatile.

    Args:
        seeded: Modules whose global generator is seeded in the same function.

    >>> volatility("time.time", Reference("time", ("time",), 1))
    ('clock', 'it reads the clock with time.time')
    >>> volatility("time.sleep", Reference("time", ("sleep",), 1)) is None
    True
    """
    module, _, last = name.rpartition(".")
    if name in _CLOCKS or (name.startswith(_CLOCK_LIBRARIES) and last in _CLOCK_METHODS):
        return "clock", f"it reads the clock with {name}"
    if name in _TAKE_NOW and reference.constant in _CLOCK_METHODS:
        return "clock", f"it reads the clock with {name}({reference.constant!r})"
    if name in SEEDABLE:
        return ("random", f"it makes an unseeded {name}") if reference.arguments == 0 else None
    if name in _SEEDS:
        return ("random", f"it calls {name} without a seed") if reference.arguments == 0 else None
    if name in _RANDOM or (name.startswith(_RANDOM_MODULES) and name not in _NEUTRAL_RANDOM and last != "seed"):
        is_seeded = any(f"{module}.".startswith(f"{one}.") for one in seeded) and name not in _RANDOM
        return None if is_seeded else ("random", f"it draws from {name} without a seed")
    if name in ("builtins.hash", "builtins.id"):
        return "random", f"{last}() answers differently in each process"
    if name in _OF_THE_PROCESS or (module == "sys.path" and last not in _CHANGES_A_LIST):
        return "process", f"it takes {name}, which differs from process to process"
    if name in _READERS or (name.startswith(_READER_MODULES) and last.startswith(_READING_NAMES)):
        return "reader", f"{name} reads files by itself, unseen"
    if name.startswith("polars.") and last.startswith(("read_", "scan_")):
        return "reader", f"{name} reads files by itself, unseen"
    if name.startswith(_NETWORK_MODULES):
        return "network", f"{name} may use the network by itself, unseen"
    return None


def computed_volatility(module: str) -> tuple[str, str] | None:
    """The same for a module that is handed on whole where names are computed, ``getattr(pandas, name)``.

    >>> computed_volatility("time")
    ('clock', 'it takes a computed name of time, which may be a clock')
    """
    found = _COMPUTED.get(module)
    return (found[0], f"it takes a computed name of {module}, which {found[1]}") if found else None


_FILE_TIMES = tuple(f"st_{which}time{unit}" for which in ("m", "c", "a", "birth") for unit in ("", "_ns"))


def free_volatility(usage: Usage) -> tuple[str, str, int] | None:
    """The same for a method of something whose type is not known: kind, description, line."""
    line = usage.free_attributes.get("sample")
    if line is not None and usage.keywords.isdisjoint(("random_state", "seed")):
        return "random", "it calls .sample() without random_state", line
    if usage.set_order is not None:
        return "random", "it takes the order of a set, which differs between processes: use sorted()", usage.set_order
    if "load_model" in usage.free_methods:
        return "reader", ".load_model() reads a file by itself, unseen", usage.free_methods["load_model"]
    for name in ("read_parquet", "scan_parquet"):
        if name in usage.free_attributes:
            return "reader", f".{name}() reads files by itself, unseen", usage.free_attributes[name]
    for name in _CLOCK_METHODS:
        if name in usage.free_methods:
            return "clock", f"it calls .{name}(), which may be a clock", usage.free_methods[name]
    for name in _FILE_TIMES:
        if name in usage.free_attributes:
            return "clock", f"it takes the time of a file with .{name}", usage.free_attributes[name]
    return None

"""A project whose steps reach code in every way that truth.md, section 1 names; each takes the same input."""

from __future__ import annotations

FILES = {
    "steps.py": '''
        """One function for each way to reach code."""
        import collections
        import contextlib
        import dataclasses
        import datetime
        import functools
        import logging
        import operator
        import re
        import socket
        import threading
        from pathlib import Path
        from zoneinfo import ZoneInfo

        import helpers
        import numpy as np
        import pandas as pd
        import plugins
        from decorators import Scaled, configured, rounded
        from helpers import *
        from models import Basket, Colour, Level, Order, Plugin, Point, Priced
        from rates import TAX, with_tax
        from space.inner import spaced

        UNUSED = 1
        ROOT = Path(__file__).parent
        LOGGER = logging.getLogger("shop")
        LOCK = threading.Lock()
        MEMO = {}
        HANDLERS = {"a": helpers.add_one, "b": helpers.add_two}
        PAIR = (lambda x: x + 1, lambda x: x - 1)
        PART = functools.partial(helpers.scaled, by=3)
        FALLBACK = collections.defaultdict(lambda: 1.0, EUR=1.0)
        RATES = {"EUR": 1.0, "USD": 0.9}
        RATE_OF = RATES.get
        IS_WORD = re.compile("w+").match
        ORDERED = collections.OrderedDict(a=1, b=2)
        BASKET = Basket(EUR=1.0)
        PRICED = Priced(2, "EUR")
        WORDS = {("a", "b"), ("c", "d")}
        LISTED = [("a", "b")]
        PICK = operator.itemgetter("id")
        ZONE = ZoneInfo("Europe/Berlin")
        START = datetime.date(2020, 1, 1)
        QUEUE = collections.deque([1, 2], maxlen=2)
        MASKED = np.ma.array([1, 2], mask=[False, True])
        VECTOR = np.frompyfunc(helpers.vectored, 1, 1)
        LOOKUP = pd.Series([1, 2], index=["a", "b"])
        FLOOR = 0
        CEILING = 9
        QUERY = "id < @CEILING"
        CRITERION = Point(1, 2)
        OPENED = {"first": [open(__file__)]}
        SOCKET = socket.socket()


        def plain(frame):
            """Nothing but itself."""
            return frame.assign(x=1 + 1)


        def base_elsewhere(frame):
            return frame.assign(x=Order().total())


        def module_value(frame):
            return frame.assign(x=TAX)


        def re_exported(frame):
            return frame.assign(x=with_tax(1))


        def starred(frame):
            return frame.assign(x=star(1))


        def through_module(frame):
            return frame.assign(x=helpers.add_one(1))


        def method_through_module(frame):
            return frame.assign(x=helpers.Counter.count(3))


        def lazy(frame):
            import lazily

            return frame.assign(x=lazily.work(1))


        def relative(frame):
            from shop.deep import down

            return frame.assign(x=down(1))


        def cyclic(frame):
            return frame.assign(x=str(helpers.even(2)))


        def default(frame, *, limits=helpers.LIMITS):
            return frame.assign(x=limits[0])


        def make_closure(rate, rule):
            def inner(frame):
                return frame.assign(x=rule(1) * rate)

            return inner


        closed = make_closure(2, helpers.closed_over)


        def in_container(frame):
            return frame.assign(x=HANDLERS["a"](1))


        def partially(frame):
            return frame.assign(x=PART(1))


        def scale(frame, *, by=1):
            return frame.assign(x=by * 2)


        tripled = functools.partial(scale, by=3)


        class Doubler:
            def __init__(self, by):
                self.by = by

            def __call__(self, frame):
                return frame.assign(x=self.by)

            def bound(self, frame):
                return frame.assign(x=self.by * 10)


        called_instance = Doubler(2)
        bound_method = Doubler(3).bound


        def first_lambda(frame):
            return frame.assign(x=PAIR[0](1))


        first_of_line, second_of_line = (lambda frame: frame.assign(x=1)), (lambda frame: frame.assign(x=2))


        @rounded
        def decorated(frame):
            return frame.assign(x=1.234)


        @configured(rate=2)
        def attributed(frame):
            return frame.assign(x=attributed.options["rate"])


        @Scaled.by(5)
        def class_decorated(frame):
            return frame.assign(x=7)


        @contextlib.contextmanager
        def scope():
            yield 31


        def context_managed(frame):
            with scope() as value:
                return frame.assign(x=value)


        @functools.singledispatch
        def described(value):
            return 0


        @described.register
        def _(value: int):
            return 41


        def dispatched(frame):
            return frame.assign(x=described(1))


        @functools.lru_cache(maxsize=None)
        def cached_value(x):
            return x + 51


        def behind_cache(frame):
            return frame.assign(x=cached_value(1))


        def default_dict(frame):
            return frame.assign(x=FALLBACK.default_factory())


        def bound_builtin(frame):
            return frame.assign(x=RATE_OF("USD"))


        def bound_pattern(frame):
            return frame.assign(x=str(IS_WORD("www")))


        def ordered(frame):
            return frame.assign(x=",".join(ORDERED))


        def dict_subclass(frame):
            return frame.assign(x=BASKET["GBP"])


        def named_tuple(frame):
            return frame.assign(x=PRICED.doubled())


        def set_and_list(frame):
            return frame.assign(x=len(WORDS) + len(LISTED))


        def picked(frame):
            return frame.assign(x=PICK(frame))


        def zoned(frame):
            return frame.assign(x=str(ZONE), y=str(START))


        def queued(frame):
            return frame.assign(x=QUEUE[0])


        def masked(frame):
            return frame.assign(x=float(MASKED.sum()))


        def vectored(frame):
            return frame.assign(x=VECTOR(frame["id"]).astype("int64"))


        def looked_up(frame):
            return frame.assign(x=LOOKUP["a"])


        def queried(frame):
            return frame.query("id > @FLOOR")


        def queried_by_name(frame):
            return frame.query(QUERY)


        def coloured(frame):
            return frame.assign(x=",".join(colour.name for colour in Colour))


        def levelled(frame):
            return frame.assign(x=int(Level.HIGH))


        def matched(frame):
            match CRITERION:
                case Point(first, second):
                    return frame.assign(x=first * 10 + second)


        def fields(frame):
            return frame.assign(x=dataclasses.fields(helpers.Settings)[0].metadata["unit"])


        def subclassed(frame):
            return frame.assign(x=sum(plugin().value() for plugin in Plugin.__subclasses__()))


        def documented(frame):
            return frame.assign(x=helpers.explained.__doc__)


        def annotated(frame):
            return frame.assign(x=str(helpers.explained.__annotations__))


        def computed_name(frame, *, name="add_one"):
            return frame.assign(x=getattr(helpers, name)(1))


        def evaluated(frame):
            return frame.assign(x=eval("helpers.add_one(1)"))


        def namespace(frame):
            return frame.assign(x=spaced(1))


        def by_name(frame):
            LOGGER.info("seen")
            with LOCK:
                return frame.assign(x=1)


        def memoised(frame):
            if 1 not in MEMO:
                MEMO[1] = 5
            return frame.assign(x=MEMO[1])


        def placed(frame):
            return frame.assign(x=ROOT.name != "")


        sourceless = eval("lambda frame: frame.assign(x=61)")


        def opens(frame):
            return frame.assign(x=len(OPENED))


        def connects(frame):
            return frame.assign(x=SOCKET.family.value)


        def made(frame):
            return frame.assign(x=helpers.Made(1).y)


        def attrs_class(frame):
            return frame.assign(x=helpers.Attrs().z)


        def pydantic_class(frame):
            return frame.assign(x=helpers.Model().w)
        ''',
    "helpers.py": '''
        import dataclasses

        import attrs
        import pydantic

        LIMITS = (1, {"a": 2})


        def add_one(x):
            # a comment
            return x + 1


        def add_two(x):
            return x + 2


        def scaled(x, by):
            return x * by


        def star(x):
            return _private(x)


        def _private(x):
            return x - 1


        def closed_over(x):
            return x + 5


        def vectored(x):
            return x + 6


        def even(n):
            return n == 0 or odd(n - 1)


        def odd(n):
            return n != 0 and even(n - 1)


        class Counter:
            @staticmethod
            def count(x):
                return x + 7


        @dataclasses.dataclass
        class Settings:
            length: float = dataclasses.field(default=1.0, metadata={"unit": "km"})


        Made = dataclasses.make_dataclass("Made", [("x", int), ("y", int, 8)])


        @attrs.define
        class Attrs:
            z: int = 9


        class Model(pydantic.BaseModel):
            w: int = 10


        def explained(x: int) -> int:
            """Explained."""
            return x
        ''',
    "rates.py": """
        from tax import with_tax

        TAX = 19
        """,
    "tax.py": """
        import rates


        def with_tax(x):
            return x * (1 + rates.TAX / 100)
        """,
    "decorators.py": """
        import functools


        def rounded(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs).round(2)

            return wrapper


        def configured(**options):
            def wrap(function):
                function.options = options
                return function

            return wrap


        class Scaled:
            def __init__(self, function, factor):
                self.factor = factor
                functools.update_wrapper(self, function)

            def __call__(self, frame):
                return self.__wrapped__(frame).assign(y=self.factor)

            @classmethod
            def by(cls, factor):
                return lambda function: cls(function, factor)
        """,
    "base.py": """
        class Meta(type):
            def __call__(cls, *args):
                return super().__call__(*args)


        class Base(metaclass=Meta):
            def total(self):
                return self.price() * 1

            def price(self):
                return 10
        """,
    "models.py": """
        import enum
        from typing import NamedTuple

        from base import Base


        class Order(Base):
            currency = "EUR"


        class Basket(dict):
            def __missing__(self, key):
                return 11


        class Priced(NamedTuple):
            amount: int
            currency: str

            def doubled(self):
                return self.amount * 2


        class Colour(enum.Enum):
            RED = 1
            BLUE = 2


        class Level(enum.IntEnum):
            LOW = 1
            HIGH = 2


        class Point:
            __match_args__ = ("first", "second")

            def __init__(self, first, second):
                self.first, self.second = first, second


        class Plugin:
            def value(self):
                return 1


        class Extra(Plugin):
            def value(self):
                return 12
        """,
    "lazily.py": """
        def work(x):
            return x + 3
        """,
    "plugins.py": """
        import importlib

        for name in ("one",):
            importlib.import_module("plugged." + name)
        """,
    "plugged/__init__.py": "",
    "plugged/one.py": """
        import pandas as pd

        pd.set_option("display.width", 91)


        def as_method(function):
            setattr(pd.DataFrame, function.__name__, function)
            return function


        @as_method
        def counted(frame):
            return 71


        def configured():
            pd.set_option("display.precision", 7)
            return True


        CONFIGURED = configured()
        """,
    "shop/__init__.py": "",
    "shop/deep.py": """
        from . import rules
        from .rules import apply


        def down(x):
            return apply(rules.twice(x))
        """,
    "shop/rules.py": """
        def apply(x):
            return x + 4


        def twice(x):
            return x * 2
        """,
    "space/inner.py": """
        def spaced(x):
            return x + 13
        """,
    "data/orders.csv": "id,a\n1,x\n2,y\n",
}

STEPS = (
    "plain base_elsewhere module_value re_exported starred through_module method_through_module lazy relative cyclic "
    "default closed in_container partially tripled called_instance bound_method first_lambda first_of_line "
    "second_of_line decorated attributed class_decorated context_managed dispatched behind_cache default_dict "
    "bound_builtin bound_pattern ordered dict_subclass named_tuple set_and_list picked zoned queued masked vectored "
    "looked_up queried queried_by_name coloured levelled matched fields subclassed documented annotated computed_name "
    "evaluated namespace by_name memoised placed sourceless opens connects made attrs_class pydantic_class"
).split()

PIPELINE = """
name: coded
steps:
  - {name: frame, layer: bronze, read: {format: csv, path: data/orders.csv}}
""" + "".join(f"  - {{name: {step}, layer: silver, inputs: [frame], python: 'steps:{step}'}}\n" for step in STEPS)

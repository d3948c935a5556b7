"""State of the process through which one step could reach another: compared after a step, and restored.

Options, working directory, variables, locale and the decimal context are no inputs of anybody; a
step that leaves them changed would make what follows depend on it (truth.md 4.6).
"""

from __future__ import annotations

import contextlib
import decimal
import locale
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from odibi_assets.identify.observing import unobserved


@dataclass(frozen=True)
class _Channel:
    """One kind of state: how to take it, and how to put it back."""

    name: str
    take: Callable[[], Any]
    restore: Callable[[Any], object]


def _restore_environment(values: dict[str, str]) -> None:
    for name in set(os.environ) - set(values):
        del os.environ[name]
    os.environ.update(values)
    time.tzset()


def _pandas_options() -> dict[str, Any]:
    module = sys.modules.get("pandas._config.config")
    if module is None:
        return {}
    registered = getattr(module, "_registered_options", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading a deprecated option is no use of it
        return {name: module.get_option(name) for name in registered}


def _restore_pandas_options(values: dict[str, Any]) -> None:
    module = sys.modules["pandas._config.config"]
    now = _pandas_options()
    for name, value in values.items():
        if now.get(name) != value:
            module.set_option(name, value)


def _numpy_state() -> Any:
    numpy = sys.modules.get("numpy")
    return (numpy.geterr(), numpy.get_printoptions()) if numpy else None


def _restore_numpy(values: Any) -> None:
    numpy = sys.modules["numpy"]
    numpy.seterr(**values[0])
    numpy.set_printoptions(**{name: value for name, value in values[1].items() if name != "override_repr"})


def _decimal_context() -> tuple[Any, ...]:
    context = decimal.getcontext()
    return (context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp)


def _restore_decimal(values: tuple[Any, ...]) -> None:
    context = decimal.getcontext()
    context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp = values


_CHANNELS = (
    _Channel("the working directory", os.getcwd, os.chdir),
    _Channel("environment variables", lambda: dict(os.environ), _restore_environment),
    _Channel("pandas options", _pandas_options, _restore_pandas_options),
    _Channel("numpy options", _numpy_state, _restore_numpy),
    _Channel("sys.path", lambda: list(sys.path), lambda value: sys.path.__setitem__(slice(None), value)),
    _Channel("the decimal context", _decimal_context, _restore_decimal),
    _Channel(
        "the locale", lambda: locale.setlocale(locale.LC_ALL), lambda value: locale.setlocale(locale.LC_ALL, value)
    ),
)


@dataclass
class HiddenChannels:
    """The state before a step; ``restore`` names what the step changed and undoes it."""

    before: dict[str, Any]

    @classmethod
    def taken(cls) -> HiddenChannels:
        with unobserved():
            return cls({channel.name: channel.take() for channel in _CHANNELS})

    def restore(self) -> tuple[str, ...]:
        with unobserved():
            changed = self._changed()
            for channel in changed:
                with contextlib.suppress(OSError, ValueError, locale.Error):
                    channel.restore(self.before[channel.name])
        return tuple(channel.name for channel in changed)

    def changed(self) -> tuple[str, ...]:
        """What is not as it was, and stays so."""
        with unobserved():
            return tuple(channel.name for channel in self._changed())

    def _changed(self) -> list[_Channel]:
        changed = []
        for channel in _CHANNELS:
            before = self.before[channel.name]
            # Options that appeared with an import are no change of the step's.
            now = channel.take()
            if isinstance(before, dict) and channel.name == "pandas options":
                now = {name: value for name, value in now.items() if name in before}
            if before is not None and now != before:
                changed.append(channel)
        return changed


@dataclass
class GlobalGenerators:
    """The random generators that a process shares; whoever draws from one moves it, wherever the call hides."""

    before: dict[str, Any]

    @classmethod
    def taken(cls) -> GlobalGenerators:
        return cls(_generators())

    def drawn(self) -> tuple[str, ...]:
        """The modules whose generator is not as it was."""
        now = _generators()
        return tuple(name for name in self.before if not _is_same(self.before[name], now[name]))


def _generators() -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "random" in sys.modules:
        found["random"] = sys.modules["random"].getstate()
    if "numpy.random" in sys.modules:
        found["numpy.random"] = sys.modules["numpy.random"].get_state(legacy=False)
    return found


def _is_same(before: Any, now: Any) -> bool:
    if not isinstance(before, dict):
        return bool(before == now)
    state, other = before["state"], now["state"]
    is_same = all(str(state[name]) == str(other[name]) for name in state if name != "key")
    return is_same and bool((state["key"] == other["key"]).all())

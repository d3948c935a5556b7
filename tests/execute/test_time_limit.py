"""A time limit interrupts what runs in it, in the main thread and in others, and leaves nothing behind."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from odibi_assets.errors import StepTimeout
from odibi_assets.execute import time_limit
from odibi_assets.execute.time_limit import TimeLimit, process_spared
from odibi_assets.execute.transient import is_transient


def told() -> StepTimeout:
    return StepTimeout("too long")


def limited(work: Callable[[TimeLimit], object]) -> None:
    with TimeLimit(0.05, told) as limit:
        work(limit)


def test_a_sleep_is_interrupted() -> None:
    with pytest.raises(StepTimeout, match="too long"), TimeLimit(0.05, told) as limit, limit.interruptible():
        time.sleep(600)


def test_what_ends_in_time_keeps_its_value_and_its_error() -> None:
    with TimeLimit(600, told) as limit, limit.interruptible():
        value = 1
    assert value == 1
    with pytest.raises(KeyError), TimeLimit(600, told) as limit, limit.interruptible():
        raise KeyError


def test_no_limit_is_none() -> None:
    with TimeLimit(None, told) as limit, limit.interruptible():
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert not limit.is_over


def test_what_is_not_interruptible_is_not_interrupted_but_still_too_long() -> None:
    done: list[str] = []

    def work(limit: TimeLimit) -> None:
        time.sleep(0.1)
        done.append("whole")

    with pytest.raises(StepTimeout):
        limited(work)
    assert done == ["whole"]


def test_what_begins_when_time_is_up_is_interrupted_at_once() -> None:
    begun: list[int] = []

    def work(limit: TimeLimit) -> None:
        time.sleep(0.1)
        with limit.interruptible():
            begun.append(1)

    with pytest.raises(StepTimeout):
        limited(work)
    assert begun == []


def test_an_error_that_the_interruption_made_is_told_as_the_cause() -> None:
    def work(limit: TimeLimit) -> None:
        with limit.interruptible():
            try:
                time.sleep(600)
            except BaseException as error:
                raise RuntimeError("Query interrupted") from error

    with pytest.raises(StepTimeout) as found:
        limited(work)
    assert isinstance(found.value.__cause__, RuntimeError)


def test_being_stopped_by_the_user_is_no_time_out() -> None:
    def work(limit: TimeLimit) -> None:
        time.sleep(0.1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limited(work)


def test_somebody_else_s_timer_and_handler_come_back() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 500)
    try:
        with pytest.raises(StepTimeout), TimeLimit(0.05, told) as limit, limit.interruptible():
            time.sleep(600)
        assert 400 < signal.getitimer(signal.ITIMER_REAL)[0] < 500
        signal.raise_signal(signal.SIGALRM)
        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_in_another_thread_python_code_is_interrupted() -> None:
    found: list[Any] = []

    def work() -> None:
        try:
            with TimeLimit(0.05, told) as limit, limit.interruptible():
                while True:
                    time.sleep(0.001)
        except StepTimeout as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [str(error) for error in found] == ["too long"]


def test_what_ends_the_work_from_outside_is_called_in_another_thread() -> None:
    stopped = threading.Event()
    caller: list[int] = []

    def stop() -> None:
        caller.append(threading.get_ident())
        stopped.set()

    def work() -> None:
        with pytest.raises(StepTimeout), TimeLimit(0.05, told) as limit, limit.interruptible(stop):
            stopped.wait()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caller[0] not in (thread.ident, threading.get_ident())


def test_what_can_t_be_interrupted_is_given_up_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "AGAIN_S", 0.05)
    monkeypatch.setattr(time_limit, "GRACE_S", 0.1)
    monkeypatch.setattr(time_limit, "_leave_in_time", lambda: None)
    given_up: list[str] = []
    known = threading.Event()

    def give_up(error: Exception) -> None:
        given_up.append(str(error))
        known.set()

    with pytest.raises(StepTimeout), TimeLimit(0.05, told, give_up):
        known.wait()
    assert given_up == ["too long"]


def test_a_process_of_somebody_else_is_never_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "AGAIN_S", 0.01)
    monkeypatch.setattr(time_limit, "GRACE_S", 0.02)
    given_up: list[Exception] = []
    with pytest.raises(StepTimeout), process_spared(), TimeLimit(0.01, told, given_up.append):
        time.sleep(0.2)
    assert given_up == []


def test_a_time_out_is_worth_another_try() -> None:
    assert is_transient(told())

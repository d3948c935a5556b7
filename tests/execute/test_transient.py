"""What is looked at in a chain of exceptions; which real errors are transient is a table of its own."""

from __future__ import annotations

from odibi_assets.execute.exception_chain import root_cause
from odibi_assets.execute.transient import is_cancel, is_transient


def test_a_cycle_in_the_chain_ends() -> None:
    first, second = RuntimeError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert not is_transient(first)
    assert root_cause(first) in (first, second)


def raised(inner: BaseException, outer: Exception) -> Exception:
    """The outer error, raised while the inner one is handled, which it hides."""
    try:
        try:
            raise inner
        except BaseException:
            raise outer from None
    except Exception as error:
        return error


def test_what_an_error_hides_on_purpose_makes_it_no_error_of_the_moment() -> None:
    assert not is_transient(raised(ConnectionResetError("peer"), ValueError("wrong")))


def test_a_cancel_is_found_behind_what_hides_it() -> None:
    error = raised(KeyboardInterrupt(), ConnectionResetError("while it was stopped"))
    assert is_cancel(error)
    assert not is_transient(error)

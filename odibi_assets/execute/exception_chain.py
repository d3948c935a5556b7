"""What an exception was raised from, and so on to the first of them."""

from __future__ import annotations

from collections.abc import Iterator


def chain(error: BaseException, *, suppressed: bool = False) -> Iterator[BaseException]:
    """An error and all that led to it, those of exception groups included; each once.

    Args:
        suppressed: Also what ``raise … from None`` hides.

    >>> [type(link).__name__ for link in chain(ExceptionGroup("both", [KeyError("a"), OSError("b")]))]
    ['ExceptionGroup', 'KeyError', 'OSError']
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop(0)
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += link.exceptions if isinstance(link, BaseExceptionGroup) else ()
            waiting += [link.__cause__, link.__context__ if suppressed or not link.__suppress_context__ else None]


def root_cause(error: BaseException) -> BaseException:
    """The end of an exception's chain: what it was raised from, and so on.

    >>> try:
    ...     try:
    ...         raise KeyError("amount")
    ...     except KeyError as error:
    ...         raise ValueError("no such column") from error
    ... except ValueError as error:
    ...     root_cause(error)
    KeyError('amount')
    """
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__) or error
    return error

"""One request for the content of a URL: only what changed is transferred, and what arrives is whole.

What urllib3 says of a failure, and logs, names the whole address. So every error here is told anew
and raised from nothing, with the address as the pipeline declares it.
"""

from __future__ import annotations

import email.utils
import http
import http.client
import logging
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi_assets.errors import SourceAway, SourceError, UsageError

if TYPE_CHECKING:
    import urllib3

CONNECT_S = 10.0
READ_S = 30.0
_REDIRECTS = 10
_CHUNK = 1 << 20
_SETTLED_S = 2.0
_TRANSIENT_STATUS = frozenset({408, 425, 429})
_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.poolmanager", "urllib3.util.retry")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        url: With everything filled in; it may hold secrets.
        shown: The same as the pipeline declares it.
        validators: Headers that spare the transfer of what did not change.
    """

    url: str
    shown: str
    headers: Mapping[str, str]
    validators: Mapping[str, str]


def download(request: Request, target: Path) -> dict[str, str] | None:
    """Write the content of a URL to a file; returns the validators for the next request, or None if nothing changed.

    Raises:
        SourceAway: The source does not answer, breaks off, or asks to come back later.
        SourceError: It refuses.
        UsageError: The address is none.
    """
    import urllib3
    from urllib3.exceptions import HTTPError

    host = _host(request)
    try:
        with _unlogged(), _pool(request.url, host) as pool:
            response = pool.request(
                "GET",
                request.url,
                headers={
                    "User-Agent": "odibi-assets", "Accept-Encoding": "gzip", **request.headers, **request.validators
                },
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
                retries=_no_retries([*request.headers, *urllib3.Retry.DEFAULT_REMOVE_HEADERS_ON_REDIRECT]),
            )  # fmt: skip
            try:
                return _taken(request, response, target)
            finally:
                response.close()
    except HTTPError as error:
        raise _told(request, error) from None
    except (ValueError, UnicodeError):
        raise UsageError(f"{request.shown} can't be asked for: its address or a header is not valid in HTTP.") from None


def _host(request: Request) -> str:
    try:
        parts = urllib.parse.urlsplit(request.url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageError(
            f"{request.shown} can't be asked for: expected an address that begins with http:// or https://."
        )
    if "@" in parts.netloc:
        raise UsageError(f"{request.shown} holds a user or password before its host: expected them in headers.")
    return host


def _taken(request: Request, response: urllib3.BaseHTTPResponse, target: Path) -> dict[str, str] | None:
    if response.status == 304 and request.validators:
        return None
    if response.status != 200:
        raise _refused(request, response)
    try:
        with open(target, "wb") as file:
            for chunk in response.stream(_CHUNK, decode_content=True):
                file.write(chunk)
    except OSError as error:  # those of the connection come as urllib3's own
        raise SourceError(f"{request.shown} can't be kept on this machine: {error.strerror or error}.") from None
    return _validators(response.headers)


def _validators(headers: Mapping[str, str]) -> dict[str, str]:
    """What the next request names; a time of change within the last seconds vouches for nothing, as for files."""
    if headers.get("ETag"):
        return {"If-None-Match": headers["ETag"]}
    modified, now = headers.get("Last-Modified"), headers.get("Date")
    try:
        if modified and now:
            age = email.utils.parsedate_to_datetime(now) - email.utils.parsedate_to_datetime(modified)
            return {"If-Modified-Since": modified} if age.total_seconds() >= _SETTLED_S else {}
    except (TypeError, ValueError):
        pass
    return {}


def _refused(request: Request, response: urllib3.BaseHTTPResponse) -> SourceError:
    status = response.status
    try:
        phrase = f" {http.HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    told = f"{request.shown} answered {status}{phrase}, expected 200."
    if status not in _TRANSIENT_STATUS and status < 500:
        return SourceError(f"{told} Look at its address, its headers and what they allow.", status_code=status)
    wait_s = _retry_after_s(response)
    asked = f" It asks to wait {wait_s:g} s." if wait_s is not None else ""
    headers = {"Retry-After": f"{wait_s:g}"} if wait_s is not None else {}
    return SourceAway(told + asked, status_code=status, headers=headers)


def _retry_after_s(response: urllib3.BaseHTTPResponse) -> float | None:
    """Seconds, whether the server names them or a time."""
    import urllib3

    value = response.headers.get("Retry-After")
    try:
        return float(round(urllib3.Retry().parse_retry_after(value))) if value else None
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None


def _told(request: Request, error: Exception) -> SourceError:
    from urllib3 import exceptions

    reason = error.reason if isinstance(error, exceptions.MaxRetryError) and error.reason is not None else error
    is_refused = isinstance(reason, exceptions.NewConnectionError)  # though urllib3 has it below its time-outs
    if isinstance(reason, exceptions.TimeoutError) and not is_refused:
        limit_s = CONNECT_S if isinstance(reason, exceptions.ConnectTimeoutError) else READ_S
        return SourceAway(f"{request.shown} did not answer within {limit_s:g} s.")
    if isinstance(reason, exceptions.ResponseError):
        return SourceError(f"{request.shown} leads to more than {_REDIRECTS} others.")
    if isinstance(reason, exceptions.SSLError):
        return SourceError(f"{request.shown} has no certificate that this machine trusts, or speaks no TLS.")
    if isinstance(reason, exceptions.DecodeError):
        return SourceAway(f"{request.shown} sent a body that does not unpack as its Content-Encoding says.")
    if isinstance(reason, exceptions.LocationValueError):
        return SourceError(f"{request.shown} leads to an address that is not http:// or https://.")
    if any(isinstance(part, http.client.IncompleteRead) for part in (reason, *reason.args)):
        return SourceAway(f"{request.shown} broke off before the end of its body.")
    detail = _system_error(reason)
    return SourceAway(f"{request.shown} can't be reached, or broke off" + (f": {detail}." if detail else "."))


def _system_error(error: BaseException | None) -> str | None:
    """What the operating system says, which names no address."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        inner = next((part for part in error.args if isinstance(part, BaseException)), None)
        error = inner or error.__cause__ or error.__context__
    return None


def _no_retries(headers: list[str]) -> Any:
    """Only redirects are followed: another attempt is the step's. To another host no header of the user goes along."""
    import urllib3

    return urllib3.Retry(
        total=_REDIRECTS,
        connect=0,
        read=0,
        status=0,
        other=0,
        redirect=_REDIRECTS,
        raise_on_status=False,
        respect_retry_after_header=False,
        remove_headers_on_redirect=headers,
    )


def _pool(url: str, host: str) -> urllib3.PoolManager:
    """Connections, through the proxy that the environment names (``HTTPS_PROXY``, ``NO_PROXY``)."""
    import urllib3

    proxy = urllib.request.getproxies().get(urllib.parse.urlsplit(url).scheme)
    if not proxy or urllib.request.proxy_bypass(host):
        return urllib3.PoolManager()
    parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    user, _, at = parts.netloc.rpartition("@")
    login = urllib3.make_headers(proxy_basic_auth=urllib.parse.unquote(user)) if user else None
    return urllib3.ProxyManager(f"{parts.scheme}://{at or parts.netloc}", proxy_headers=login)


_here = threading.local()


@contextmanager
def _unlogged() -> Iterator[None]:
    """urllib3 logs whole addresses; what it has to say of these requests is told above."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_ours_to_tell)  # added once, however often
    _here.asking = True
    try:
        yield
    finally:
        _here.asking = False


def _is_ours_to_tell(record: logging.LogRecord) -> bool:
    return not getattr(_here, "asking", False)

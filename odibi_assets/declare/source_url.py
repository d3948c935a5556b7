"""What a step reads: a path or a URL, and no credential in clear."""

from __future__ import annotations

import re
import urllib.parse

from odibi_assets.declare.definition import Definition
from odibi_assets.declare.paths import check_path
from odibi_assets.declare.step import Read
from odibi_assets.declare.template import env_names
from odibi_assets.declare.yaml_source import Place

_CREDENTIAL = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.IGNORECASE)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")


def check_read(definition: Definition, place: Place, read: Read) -> None:
    """Note what is wrong with the ``path`` or ``url`` of a read step, and with its headers."""
    if (read.path is None) == (read.url is None):
        definition.mistake(place, "none" if read.path is None else "path and url", "exactly one of path and url")
    if read.path is not None:
        if re.match(r"https?://", read.path, re.IGNORECASE):
            expected = "a path below the project root: an address goes to url"
            definition.mistake((*place, "path"), "an address", expected, "url")
        else:
            check_path(definition, (*place, "path"), read.path)
        if read.headers:
            definition.mistake((*place, "headers"), "headers", "url beside it: a file is read without")
    if read.url is not None:
        _check_url(definition, (*place, "url"), read.url)
    for name, value in read.headers.items():
        if not _HEADER.match(name):
            definition.mistake((*place, "headers", name), name, "a header's name")
        elif _CREDENTIAL.search(name) and not env_names(value):
            expected = 'a value from the environment: "{{ env.NAME }}"'
            definition.mistake((*place, "headers", name), "a value in clear", expected)
        elif re.search(r"[\r\n\0]", value):
            definition.mistake((*place, "headers", name), "a value of several lines", "one line")


def _check_url(definition: Definition, place: Place, url: str) -> None:
    """Note an address that is none; what its beginning takes from the environment is looked at when it is asked."""
    if url.lstrip().startswith("{{"):
        return
    expected = "an address that begins with http:// or https://"
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.netloc and (parts.hostname or "{{" in parts.netloc)
        parts.port if "{{" not in parts.netloc else None  # noqa: B018
    except ValueError:
        definition.mistake(place, "an address that can't be read", expected)
        return
    if parts.scheme not in ("http", "https") or not host:
        definition.mistake(place, f"{parts.scheme}://…" if parts.scheme else "no address", expected)
    elif "@" in parts.netloc:
        expected = 'no user or password in it: headers: {Authorization: "{{ env.NAME }}"}'
        definition.mistake(place, "a user or password before the host", expected)

"""What the documents of all commands have in common: nothing but the declared fields, and a few words."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

Version = Annotated[str, Field(pattern="^b3:[0-9a-f]{64}$", description="Identity of content: its BLAKE3 digest.")]
Time = Annotated[str, Field(description="ISO 8601, UTC.")]


class Document(TypedDict):
    """Exactly these fields."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]


class Accepted(Document):
    by: Annotated[str, Field(description="user@host")]
    at: Time
    reason: Annotated[str | None, Field(description="As the user gave it.")]

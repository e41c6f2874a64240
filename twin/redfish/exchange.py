"""Requests to a BMC and its answers, free of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from twin.redfish.events import EventStream
from twin.redfish.messages import BaseMessage, RedfishError

__all__ = ["READ", "BmcAnswer", "BmcRequest", "object_of", "refusal"]

READ = ("GET", "HEAD")
"""Methods that change nothing."""


@dataclass(frozen=True, slots=True)
class BmcRequest:
    """One request.

    Attributes:
        method: of HTTP.
        path: without the query.
        query: names and values, in order.
        authorization: the header, None where there is none.
        token: the header ``X-Auth-Token``, likewise.
        version: the header ``OData-Version``, likewise.
        body: what was sent.
        secure: whether it came over TLS.
        now: wall clock, unix seconds.
        at: elapsed seconds of a clock that never runs backwards.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    authorization: str | None = None
    token: str | None = None
    version: str | None = None
    body: bytes = b""
    secure: bool = True
    now: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class BmcAnswer:
    """An answer.

    Attributes:
        status: of HTTP.
        payload: written as JSON; a text as it is, XML; None for an empty body.
        headers: beside those that every answer has.
        stream: events that follow instead of a body, None for none.
        media: type of the body, None for JSON, or XML where it is a text.
    """

    status: int
    payload: Mapping[str, Any] | list[Any] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: EventStream | None = None
    media: str | None = None

    @property
    def body(self) -> bytes:
        """The bytes."""
        if self.payload is None:
            return b""
        if isinstance(self.payload, str):
            return self.payload.encode()
        return orjson.dumps(self.payload)

    @property
    def media_type(self) -> str:
        """What they are."""
        if self.media is not None:
            return self.media
        return "application/xml" if isinstance(self.payload, str) else "application/json"


def refusal(error: RedfishError, *, secure: bool = True) -> BmcAnswer:
    """Return the answer that says an error."""
    headers = {"Allow": ", ".join(error.allow)} if error.allow else {}
    if error.status == 401 and secure:  # noqa: PLR2004 - Unauthorized
        headers["WWW-Authenticate"] = 'Basic realm="Redfish", charset="UTF-8"'
    if error.status == 503:  # noqa: PLR2004 - Service Unavailable
        headers["Retry-After"] = "1"
    return BmcAnswer(error.status, error.payload, headers)


def object_of(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises:
        RedfishError: it is none.
    """
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RedfishError(BaseMessage.MALFORMED) from error
    if not isinstance(asked, dict):
        raise RedfishError(BaseMessage.MALFORMED)
    return asked

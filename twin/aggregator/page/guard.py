"""Guard of commands over HTTP: off by default, and behind a token of their own.

A browser sends requests to this machine on behalf of any page that its user visits, with the
password that it remembers. So a command must also come from our own origin, as JSON and with a
header of ours, which together no foreign page can send; and to an address that is ours, so that
no foreign name can be made to point here.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from twin.aggregator.access import Access
from twin.aggregator.hosts import is_ours

__all__ = ["HEADER", "Refusal", "refusal"]

HEADER = "X-Twin-Command"
"""Must be there, with any value but none: a foreign page cannot send it without asking first."""

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is refused.

    Attributes:
        status: of the answer.
        sentence: the problem and its remedy.
    """

    status: int
    sentence: str


def refusal(request: Request, access: Access, advertise: str | None) -> Refusal | None:
    """Return why a command is refused, or None when it may be carried out.

    Args:
        request: the request.
        access: who may give commands.
        advertise: host and port by which the aggregator is known, None for none.
    """
    if access.command is None:
        return Refusal(
            403, "Faults cannot be injected from the page; start the twin with --allow-inject."
        )
    if (foreign := _foreign(request, advertise)) is not None:
        return foreign
    if not access.may_command(request.headers.get("authorization")):
        return Refusal(
            403, "A command needs the token for faults; send it as Authorization: Bearer TOKEN."
        )
    return None


def _foreign(request: Request, advertise: str | None) -> Refusal | None:
    """Return why a request may be the work of another page."""
    headers = request.headers
    host = headers.get("host", "")
    if not is_ours(host, advertise):
        return Refusal(
            403, f"{host!r} is not an address of this machine; use one, or name it by --advertise."
        )
    origin = headers.get("origin")
    if (origin is not None and _place(origin) != host) or headers.get(
        "sec-fetch-site", "same-origin"
    ) not in {"same-origin", "none"}:
        return Refusal(403, "The command comes from another page; only our own may send it.")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        return Refusal(415, f"A command is JSON; send it with Content-Type: {_JSON}.")
    if not headers.get(HEADER):
        return Refusal(403, f"The header {HEADER} is missing; send it with any value.")
    return None


def _place(origin: str) -> str | None:
    """Return host and port of an origin, None for what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None

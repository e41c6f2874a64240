"""Access control: the check before every address but ``/healthz``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from twin.aggregator.telemetry import OwnTelemetry
from twin.aggregator.tokens import Token, presented

__all__ = ["OPEN_PATHS", "Access", "Guarded"]

OPEN_PATHS: Final = frozenset({"/healthz"})
"""The only path without a token: the liveness check."""

_ASK = 'Bearer realm="twin", Basic realm="twin", charset="UTF-8"'
_UNAUTHORIZED = (
    "This needs the token: send it as Authorization: Bearer TOKEN, "
    "or as the password of any user.\n"
)


@dataclass(frozen=True, slots=True)
class Access:
    """Which tokens open what.

    Attributes:
        read: token for reading; None where reading needs no token.
        command: token for commands, which may also read; None where commands are off.
    """

    read: Token | None = None
    command: Token | None = None

    def may_read(self, authorization: str | None) -> bool:
        """Whether a header ``Authorization`` opens what can be read."""
        if self.read is None:
            return True
        return self.read.matches(presented(authorization)) or self.may_command(authorization)

    def may_command(self, authorization: str | None) -> bool:
        """Whether commands are on."""
        return self.command is not None and self.command.matches(presented(authorization))


class Guarded:
    """An application that answers only whom ``access`` lets in."""

    def __init__(self, app: ASGIApp, access: Access, telemetry: OwnTelemetry) -> None:
        self._app = app
        self._access = access
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or ask for the token."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            shown = Headers(scope=scope).get("authorization")
            if not self._access.may_read(shown):
                self._telemetry.http_refused["unauthorized"].inc()
                answer = PlainTextResponse(_UNAUTHORIZED, 401, {"WWW-Authenticate": _ASK})
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

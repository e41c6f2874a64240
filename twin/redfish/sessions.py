"""Sessions of one login, and who may ask: sans-I/O, with the time as an argument."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from twin.aggregator import Token

__all__ = ["MOST_SESSIONS", "SESSION_SECONDS", "Login", "Session", "Sessions"]

SESSION_SECONDS = 1800
"""Seconds without a request after which a session ends."""
MOST_SESSIONS = 16
"""Sessions of a BMC at a time; real ones have about as many."""


@dataclass(frozen=True, slots=True)
class Login:
    """The name and the password that open every BMC.

    Attributes:
        user: the name.
        password: the password.
    """

    user: str
    password: Token

    def opens(self, user: str, password: str) -> bool:
        """Whether these are the name and the password, each compared in constant time."""
        named = secrets.compare_digest(user.encode(), self.user.encode())
        return self.password.matches(password) and named

    def basic(self, authorization: str | None) -> bool:
        """Whether a header ``Authorization`` shows them."""
        scheme, _, rest = (authorization or "").strip().partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            shown = base64.b64decode(rest.strip(), validate=True).decode()
        except ValueError:  # of base64, of its text, or of characters that are no ASCII
            return False
        user, _, password = shown.partition(":")
        return self.opens(user, password)


@dataclass(slots=True)
class Session:
    """One session.

    Attributes:
        id: of it.
        user: who has it.
        token: opens its BMC.
        created: when it began, unix seconds.
        used: when it was used last, elapsed seconds.
    """

    id: str
    user: str
    token: str
    created: float
    used: float


class Sessions:
    """The sessions of one BMC."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, user: str, now: float, at: float) -> Session | None:
        """Return a new session, None where there are too many.

        Args:
            user: who asks for it.
            now: unix seconds.
            at: elapsed seconds of a clock that never runs backwards.
        """
        self.expire(at)
        if len(self._sessions) >= MOST_SESSIONS:
            return None
        self._last += 1
        session = Session(str(self._last), user, secrets.token_urlsafe(24), now, at)
        self._sessions[session.id] = session
        return session

    def opened_by(self, token: str | None, at: float) -> bool:
        """Whether a token is that of a session, which is used now."""
        self.expire(at)
        if token is None:
            return False
        found = False
        for session in self._sessions.values():
            if secrets.compare_digest(session.token.encode(), token.encode()):
                session.used, found = at, True
        return found

    def get(self, identifier: str) -> Session | None:
        """Return a session."""
        return self._sessions.get(identifier)

    def end(self, identifier: str) -> bool:
        """End a session and return whether there was one."""
        return self._sessions.pop(identifier, None) is not None

    def expire(self, at: float) -> None:
        """End the sessions that were not used for too long."""
        for identifier, session in list(self._sessions.items()):
            if at - session.used > SESSION_SECONDS:
                del self._sessions[identifier]

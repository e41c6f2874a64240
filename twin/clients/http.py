"""HTTP requests to one server, with its login and errors in one sentence."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx

from twin.clients.login import split_login
from twin.errors import ConfigError, ServiceError, certificate_fault

__all__ = ["AnswerTooLongError", "HttpServer", "fetch", "is_ready"]

_REMEDY = "is its address right, and its login (http://user:password@host:port)?"


class AnswerTooLongError(ServiceError):
    """An answer is longer than it may be, or takes longer; a smaller question may be answered."""


class HttpServer:
    """A server that is asked over HTTP.

    Args:
        url: its address, with a login if it wants one; a path before the API is kept.
        name: its name in errors.
        timeout: seconds to wait for an answer.
        remedy: the end of the error that it does not answer.
        headers: of every request, in place of a login in the address.
        most_bytes: length of an answer at most; None for any.

    Attributes:
        url: its address without the login.

    Raises:
        ConfigError: the address is not one of HTTP.
    """

    def __init__(
        self,
        url: str,
        name: str,
        timeout: float = 30.0,
        remedy: str = _REMEDY,
        *,
        headers: Mapping[str, str] | None = None,
        most_bytes: int | None = None,
    ) -> None:
        address, login = split_login(url)
        self._headers = {**login, **(headers or {})}
        self._most_bytes = most_bytes
        if not address.startswith(("http://", "https://")):
            raise ConfigError(
                f"{name} {address!r} is not an address; write for example http://127.0.0.1:9090"
            )
        self.url = address.rstrip("/")
        self.name = name
        self._timeout = timeout
        self._remedy = remedy

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Return the answer to a request, whatever its status.

        Args:
            method: of HTTP.
            path: below the address, with its leading slash.
            request: ``params``, ``data``, ``json`` or ``headers``, as httpx takes them.

        Raises:
            ServiceError: the server does not answer.
            AnswerTooLongError: its answer is too long.
        """
        headers = {**self._headers, **request.pop("headers", {})}
        try:
            url, timeout = f"{self.url}{path}", self._timeout
            if self._most_bytes is None:
                return _send(method, url, timeout, headers=headers, **request)
            return _bounded(method, url, timeout, self._most_bytes, headers=headers, **request)
        except _LongAnswerError as error:
            raise AnswerTooLongError(str(self.silent(error))) from None
        except (httpx.HTTPError, OSError) as error:
            raise self.silent(error) from None

    def json(self, path: str, **request: Any) -> Any:
        """Return the JSON at ``path``.

        Raises:
            ServiceError: the server does not answer, refuses, or sends anything else.
        """
        answer = self.ask("GET", path, **request)
        try:
            return answer.raise_for_status().json()
        except httpx.HTTPStatusError:
            raise self.silent(f"HTTP status {answer.status_code}") from None
        except ValueError as error:
            raise self.silent(error) from None

    def silent(self, why: object) -> ServiceError:
        """Return the error that the server gives no proper answer."""
        trust = "add that CA to the system's, or name its file by SSL_CERT_FILE"
        if (fault := certificate_fault(str(why), trust)) is not None:
            return ServiceError(f"{self.name} at {self.url} is not trusted: {fault}")
        return ServiceError(f"{self.name} does not answer at {self.url}: {why}; {self._remedy}")


class _LongAnswerError(ConnectionError):
    """The answer is given up."""


def fetch(
    url: str,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    *,
    verify: bool = True,
) -> bytes:
    """Return the body at an address of one of our own processes, decompressed.

    Args:
        url: the address.
        timeout: seconds to wait for an answer.
        headers: of the request; the body is asked for uncompressed unless they say otherwise.
        verify: whether its certificate is checked.

    Raises:
        OSError: the server does not answer, or reports an error.
    """
    sent = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        return _send("GET", url, timeout, headers=sent, verify=verify).raise_for_status().content
    except httpx.HTTPError as error:
        raise ConnectionError(str(error)) from error


def is_ready(url: str, timeout: float = 2.0) -> bool:
    """Return whether an address answers with success."""
    try:
        fetch(url, timeout)
    except OSError:
        return False
    return True


def _send(
    method: str, url: str, timeout: float, *, verify: bool = True, **request: Any
) -> httpx.Response:
    return httpx.request(method, url, timeout=timeout, verify=_trust(url, verify), **request)


def _bounded(
    method: str, url: str, timeout: float, most_bytes: int, **request: Any
) -> httpx.Response:
    """Return an answer that is neither longer nor takes longer than it may, however it comes.

    Raises:
        _LongAnswerError: it is too long, or too slow.
    """
    due = time.monotonic() + timeout
    body = bytearray()
    with (
        httpx.Client(timeout=timeout, verify=_trust(url, verify=True)) as client,
        client.stream(method, url, **request) as answer,
    ):
        for part in answer.iter_bytes(1 << 16):
            body += part
            if len(body) > most_bytes:
                raise _LongAnswerError(f"its answer is longer than {most_bytes >> 20} MiB")
            if time.monotonic() > due:
                raise _LongAnswerError(f"its answer takes longer than {timeout:g} s")
        return httpx.Response(answer.status_code, content=bytes(body), request=answer.request)


def _trust(url: str, verify: bool) -> ssl.SSLContext | bool:
    # The system's own authorities, to which a site adds its private one; plain HTTP needs none.
    return ssl.create_default_context() if verify and url.startswith("https") else False

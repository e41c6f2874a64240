"""HTTP requests to one server, with its login and errors in one sentence."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from twin.clients.login import split_login
from twin.errors import ConfigError, ServiceError, certificate_fault

__all__ = ["HttpServer", "fetch", "is_ready"]

_REMEDY = "is its address right, and its login (http://user:password@host:port)?"


class HttpServer:
    """A server that is asked over HTTP.

    Args:
        url: its address, with a login if it wants one; a path before the API is kept.
        name: its name in errors.
        timeout: seconds to wait for an answer.
        remedy: the end of the error that it does not answer.

    Attributes:
        url: its address without the login.

    Raises:
        ConfigError: the address is not one of HTTP.
    """

    def __init__(self, url: str, name: str, timeout: float = 30.0, remedy: str = _REMEDY) -> None:
        address, self._headers = split_login(url)
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
        """
        headers = {**self._headers, **request.pop("headers", {})}
        try:
            return _send(method, f"{self.url}{path}", self._timeout, headers=headers, **request)
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
    # The system's own authorities, to which a site adds its private one; plain HTTP needs none.
    trust = ssl.create_default_context() if verify and url.startswith("https") else False
    return httpx.request(method, url, timeout=timeout, verify=trust, **request)

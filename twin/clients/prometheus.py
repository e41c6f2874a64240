"""Prometheus HTTP API: queries, labels, rules, alerts and the server's own state."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx

from twin.clients.http import HttpServer, is_ready
from twin.errors import ServiceError

__all__ = ["Prometheus", "QueryError"]

_MOST_LETTERS = 500


class QueryError(Exception):
    """Prometheus refused a query; the text says why."""


class Prometheus:
    """A Prometheus server.

    Args:
        url: its address, as ``http://127.0.0.1:9090`` or ``http://user:password@127.0.0.1:9090``;
            a path before the API is kept.
        timeout: seconds to wait for an answer.
        headers: of every request: what logs in, where the address has no login.
        most_bytes: length of an answer at most; None for any.
        login: how to log in, for the error of a server that wants it.

    Raises:
        ConfigError: the address is not one of HTTP.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 30.0,
        *,
        headers: Mapping[str, str] | None = None,
        most_bytes: int | None = None,
        login: str = "write http://user:password@host:port",
    ) -> None:
        remedy = f"is its address right? If it wants a login, {login}"
        self._server = HttpServer(
            url, "Prometheus", timeout, remedy, headers=headers, most_bytes=most_bytes
        )
        self.url = self._server.url
        self._login = (
            "refuses the credentials; correct them" if headers else f"wants a login; {login}"
        )

    def ready(self) -> bool:
        """Return whether it is ready to serve."""
        return is_ready(f"{self.url}/-/ready")

    def now(self) -> float:
        """Return the server's time, unix seconds."""
        return float(self._post("query", query="time()")["result"][0])

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        """Return the series of an instant query.

        Raises:
            QueryError: the query is not accepted.
            ServiceError: the server does not answer.
        """
        return _series(self._post("query", query=query, time=f"{at:.3f}"), at)

    def raw(self, query: str, at: float) -> bytes:
        """Return the whole answer to an instant query, unread.

        Raises:
            QueryError: the query is not accepted.
            ServiceError: the server does not answer.
        """
        return self._answered("POST", "query", data={"query": query, "time": f"{at:.3f}"}).content

    def number(self, query: str, at: float) -> float:
        """Return the one value of an instant query, NaN when there is none."""
        series = self.instant(query, at)
        return float(series[0]["value"][1]) if series else float("nan")

    def over_time(self, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series of a query over time.

        Raises:
            QueryError: the query is not accepted.
            ServiceError: the server does not answer.
        """
        asked = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return _series(self._post("query_range", query=query, **asked), end)

    def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """Return the values of a label among the series of a selector, or of all, sorted.

        Raises:
            QueryError: the selector is not accepted.
            ServiceError: the server does not answer.
        """
        asked = {"start": f"{start:.3f}", "end": f"{end:.3f}"}
        if selector:
            asked["match[]"] = selector
        values: list[str] = self._ask("GET", f"label/{label}/values", params=asked)
        return sorted(values)

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer, for example of ``rules`` or ``alerts``.

        Raises:
            ServiceError: the server does not answer, or refuses.
        """
        return self._server.json(f"/api/v1/{path}", params=parameters)["data"]

    def _post(self, path: str, **parameters: str) -> Any:
        """Return the data of a query, which may be too long for an address."""
        return self._ask("POST", path, data=parameters)

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        answer = self._answered(method, path, **request)
        try:
            return answer.json()["data"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._server.silent(error) from None

    def _answered(self, method: str, path: str, **request: Any) -> httpx.Response:
        answer = self._server.ask(method, f"/api/v1/{path}", **request)
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ServiceError(f"Prometheus at {self.url} {self._login}")
        if answer.is_success:
            return answer
        try:
            told = str(answer.json()["error"])[:_MOST_LETTERS]
        except (ValueError, KeyError, TypeError):
            told = f"HTTP status {answer.status_code}"
        raise QueryError(told)


def _series(data: Any, at: float) -> list[dict[str, Any]]:
    if data["resultType"] in ("scalar", "string"):
        return [{"metric": {}, "value": data["result"] or [at, "NaN"]}]
    series: list[dict[str, Any]] = data["result"]
    return series

"""Prometheus HTTP API: queries, labels, rules, alerts and the server's own state."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from twin.clients.http import HttpServer, is_ready
from twin.errors import ServiceError

__all__ = ["Prometheus", "QueryError"]


class QueryError(Exception):
    """Prometheus refused a query; the text says why."""


class Prometheus:
    """A Prometheus server.

    Args:
        url: its address, as ``http://127.0.0.1:9090`` or ``http://user:password@127.0.0.1:9090``;
            a path before the API is kept.
        timeout: seconds to wait for an answer.

    Raises:
        ConfigError: the address is not one of HTTP.
    """

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        self._server = HttpServer(url, "Prometheus", timeout)
        self.url = self._server.url

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
        """Return the values of a label among the series of a selector, sorted.

        Raises:
            QueryError: the selector is not accepted.
            ServiceError: the server does not answer.
        """
        asked = {"start": f"{start:.3f}", "end": f"{end:.3f}", "match[]": selector}
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
        answer = self._server.ask(method, f"/api/v1/{path}", **request)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            raise ServiceError(
                f"Prometheus at {self.url} wants a login; write http://user:password@host:port"
            )
        try:
            body = answer.json()
            if answer.is_success:
                return body["data"]
            raise QueryError(str(body["error"]))
        except (ValueError, KeyError, TypeError) as error:
            if answer.is_success:
                raise self._server.silent(error) from None
            raise QueryError(f"HTTP status {answer.status_code}") from None


def _series(data: Any, at: float) -> list[dict[str, Any]]:
    if data["resultType"] in ("scalar", "string"):
        return [{"metric": {}, "value": data["result"] or [at, "NaN"]}]
    series: list[dict[str, Any]] = data["result"]
    return series

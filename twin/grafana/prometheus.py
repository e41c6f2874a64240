"""Prometheus HTTP API, as far as a check of dashboards needs it."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from typing import Any

from twin.errors import ConfigError, ServiceError
from twin.grafana.login import split_login

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
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ConfigError(
                f"Prometheus {url!r} is no address; write for example http://127.0.0.1:9090"
            )
        address, self._headers = split_login(url)
        self.url = address.rstrip("/")
        self._timeout = timeout

    def now(self) -> float:
        """Return the server's time, unix seconds."""
        return float(self._ask("query", query="time()")["result"][0])

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        """Return the series of an instant query.

        Raises:
            QueryError: the query is not accepted.
            ServiceError: the server does not answer.
        """
        return self._series(self._ask("query", query=query, time=f"{at:.3f}"), at)

    def over_time(self, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series of a query over time.

        Raises:
            QueryError: the query is not accepted.
            ServiceError: the server does not answer.
        """
        asked = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return self._series(self._ask("query_range", query=query, **asked), end)

    def label_values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """Return the values of a label among the series of a selector, sorted.

        Raises:
            QueryError: the selector is not accepted.
            ServiceError: the server does not answer.
        """
        asked = {"start": f"{start:.3f}", "end": f"{end:.3f}", "match[]": selector}
        values: list[str] = self._ask(f"label/{label}/values", method="GET", **asked)
        return sorted(values)

    def _series(self, data: Any, at: float) -> list[dict[str, Any]]:
        if data["resultType"] in ("scalar", "string"):
            return [{"metric": {}, "value": data["result"] or [at, "NaN"]}]
        series: list[dict[str, Any]] = data["result"]
        return series

    def _ask(self, path: str, *, method: str = "POST", **parameters: str) -> Any:
        """Return the data of an answer."""
        encoded = urllib.parse.urlencode(parameters)
        address = f"{self.url}/api/v1/{path}"
        body = encoded.encode() if method == "POST" else None
        if body is None:
            address = f"{address}?{encoded}"
        # The scheme was checked to be that of HTTP.
        request = urllib.request.Request(  # noqa: S310
            address, data=body, method=method, headers=self._headers
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.UNAUTHORIZED:
                raise ServiceError(
                    f"Prometheus at {self.url} wants a login; write http://user:password@host:port"
                ) from None
            raise QueryError(_reason(error)) from None
        except (OSError, ValueError, KeyError) as error:
            raise ServiceError(
                f"Prometheus at {self.url} does not answer ({error}); is --prometheus its address?"
            ) from None


def _reason(error: urllib.error.HTTPError) -> str:
    """Return what the server says of its refusal."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {error.code}"

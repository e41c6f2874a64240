"""Pages of the service itself, at names that are no BMC's: its health, its metrics, its BMCs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from twin.aggregator.access import Access
from twin.aggregator.negotiation import PLAIN, openmetrics
from twin.redfish.core import RedfishCore
from twin.redfish.directory import Bmc
from twin.redfish.exchange import READ, BmcAnswer, refusal
from twin.redfish.messages import BaseMessage, RedfishError

__all__ = ["DIRECTORY_PATH", "HEALTH_PATH", "METRICS_PATH", "OwnPages"]

HEALTH_PATH: Final = "/healthz"
"""Says that the process lives; never needs the token."""
METRICS_PATH: Final = "/metrics"
"""Metrics of the process, as Prometheus reads them."""
DIRECTORY_PATH: Final = "/sd"
"""The BMCs, as Prometheus' ``http_sd_configs`` reads them."""


class OwnPages:
    """What is asked of the service itself.

    Args:
        core: has the BMCs.
        port_of: returns the port of a BMC, None where it has none.
        access: who may read it; the BMCs have logins of their own.
    """

    def __init__(
        self, core: RedfishCore, port_of: Callable[[Bmc], int | None], access: Access
    ) -> None:
        self._core = core
        self._port_of = port_of
        self._access = access

    def answer(self, scope: Scope, headers: Headers) -> BmcAnswer:
        """Return the answer to a request that is for no BMC."""
        path = scope["path"]
        pages = {HEALTH_PATH: _health, METRICS_PATH: self._metrics, DIRECTORY_PATH: self._targets}
        page = pages.get(path)
        if page is None:
            first = self._core.directory.name(self._core.directory.bmcs[0])
            return refusal(RedfishError(BaseMessage.NO_BMC, DIRECTORY_PATH, first))
        if path != HEALTH_PATH and not self._access.may_read(headers.get("authorization")):
            self._core.telemetry.http_refused["unauthorized"].inc()
            return refusal(RedfishError(BaseMessage.NO_SESSION))
        if scope["method"] not in READ:
            return refusal(RedfishError(BaseMessage.NOT_ALLOWED, allow=READ))
        return page(scope, headers)

    def _metrics(self, _scope: Scope, headers: Headers) -> BmcAnswer:
        media = openmetrics(headers.get("accept", ""))
        text = self._core.own.render(openmetrics=media is not None)
        return BmcAnswer(200, text.decode(), {"Cache-Control": "no-store"}, media=media or PLAIN)

    def _targets(self, scope: Scope, headers: Headers) -> BmcAnswer:
        directory = self._core.directory
        asked = urlsplit(f"//{headers.get('host', '')}")
        own = scope.get("server") or ("127.0.0.1", None)
        found: list[dict[str, object]] = []
        for bmc in directory:
            name, port = directory.name(bmc), self._port_of(bmc)
            host = name if port is None else asked.hostname or own[0]
            found.append(
                {
                    "targets": [f"{host}:{port or own[1]}"],
                    "labels": {
                        "bmc": name,
                        "kind": bmc.kind.key,
                        "rack": directory.rack_name(bmc),
                    },
                }
            )
        return BmcAnswer(200, found)


def _health(_scope: Scope, _headers: Headers) -> BmcAnswer:
    return BmcAnswer(200, {"status": "ok"})

"""Pages of the service itself, at names that are no BMC's: its health, its metrics, its BMCs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

import orjson
from starlette.datastructures import Headers
from starlette.types import Scope

from twin.aggregator.access import Access
from twin.aggregator.negotiation import PLAIN, openmetrics
from twin.redfish.core import RedfishCore
from twin.redfish.directory import Bmc
from twin.redfish.exchange import READ, BmcAnswer, refusal
from twin.redfish.messages import BaseMessage, RedfishError

__all__ = ["DIRECTORY_PATH", "HEALTH_PATH", "METRICS_PATH", "OwnPages", "host_of"]

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
        self._has_ports = any(port_of(bmc) is not None for bmc in core.directory)
        self._shown: tuple[tuple[object, ...], BmcAnswer] | None = None

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
        own = scope.get("server") or ("127.0.0.1", None)
        asked = (host_of(headers) or own[0]) if self._has_ports else ""
        known = (self._core.directory.version, asked, own[1])
        if self._shown is None or self._shown[0] != known:
            # Of tens of thousands of BMCs it takes a second, and anyone may ask for it.
            text = orjson.dumps(list(self._listed(asked, own[1]))).decode()
            self._shown = (known, BmcAnswer(200, text, media="application/json"))
        return self._shown[1]

    def _listed(self, host: str, common: int | None) -> Iterator[dict[str, object]]:
        """Yield the BMCs, those with a port of their own at the host that the client asked."""
        directory = self._core.directory
        for bmc in directory:
            name, port = directory.name(bmc), self._port_of(bmc)
            place = f"{name}:{common}" if port is None else f"{host}:{port}"
            labels = {"bmc": name, "kind": bmc.kind.key, "rack": directory.rack_name(bmc)}
            yield {"targets": [place], "labels": labels}


def host_of(headers: Headers) -> str | None:
    """Return the host that the header ``Host`` names, None where it names none."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:
        return None


def _health(_scope: Scope, _headers: Headers) -> BmcAnswer:
    return BmcAnswer(200, {"status": "ok"})

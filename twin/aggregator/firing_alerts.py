"""Firing alerts for the live page, asked of a Prometheus or an Alertmanager."""

from __future__ import annotations

import base64
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin.errors import ConfigError

__all__ = ["AlertServer", "AlertsWatch", "FiringAlert", "FiringAlerts"]

_PERIOD_SECONDS = 10.0
_TIMEOUT_SECONDS = 5.0
_FRESH_SECONDS = 60.0
"""What was answered longer ago is not shown as if it held now."""
_MOST_BYTES = 1 << 22
_MOST_ALERTS = 200
_MOST_LETTERS = 200
_PATHS = {
    "Prometheus": "/api/v1/alerts",
    "Alertmanager": "/api/v2/alerts?active=true&silenced=false&inhibited=false",
}
_PLACES = ("rack", "array", "training_job", "megapack", "genset", "chiller", "feed", "instance")
"""Labels that say where an alert is, the plainest first."""
_SEVERITIES = ("critical", "warning", "info")
_FORM = "write for example http://127.0.0.1:9090 or http://user@host:9090?password_file=/path"


@dataclass(frozen=True, slots=True)
class AlertServer:
    """A server that knows what fires.

    Attributes:
        kind: which API it has.
        url: its address, without a login.
        headers: what logs in.
    """

    kind: Literal["Prometheus", "Alertmanager"]
    url: str
    headers: Mapping[str, str]

    @staticmethod
    def parse(kind: Literal["Prometheus", "Alertmanager"], text: str) -> AlertServer:
        """Return the server at an address, with the password from its file.

        Raises:
            ConfigError: it is not an address, or the password's file cannot be read.
        """
        option = f"--{kind.lower()}"
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if host is None or parts.scheme not in ("http", "https") or parts.fragment:
            raise ConfigError(f"{option} is not an HTTP address; {_FORM}")
        query = parse_qs(parts.query)
        if query.keys() - {"password_file"}:
            raise ConfigError(f"{option}: after the ? only password_file=/path may stand; {_FORM}")
        password = unquote(parts.password or "")
        if files := query.get("password_file"):
            password = _first_line(Path(files[0]), option)
        headers = {}
        if parts.username:
            login = f"{unquote(parts.username)}:{password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        own = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="")
        return AlertServer(kind, own.geturl().rstrip("/"), headers)

    def ask(self) -> tuple[FiringAlert, ...]:
        """Return what fires, the worst first.

        Raises:
            OSError: it does not answer.
            ValueError: it answers something else.
        """
        body = self._body()
        if self.kind == "Prometheus":
            told = _Answer.model_validate_json(body).data.alerts
        else:
            told = _Told.model_validate_json(f'{{"alerts": {body.decode()}}}').alerts
        return tuple(sorted(alert.shown() for alert in told if alert.state == "firing"))

    def _body(self) -> bytes:
        """Return the answer; no redirect is followed, as the login is for this server only."""
        import httpx  # noqa: PLC0415 - most aggregators ask no such server

        body = bytearray()
        try:
            with httpx.stream(
                "GET",
                self.url + _PATHS[self.kind],
                headers=dict(self.headers),
                timeout=_TIMEOUT_SECONDS,
                trust_env=False,
                verify=ssl.create_default_context() if self.url.startswith("https") else False,
            ) as answer:
                if not answer.is_success:
                    raise ValueError(f"it answers HTTP status {answer.status_code}")
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise ValueError(f"the answer has more than {_MOST_BYTES >> 20} MiB")
        except httpx.HTTPError as error:
            raise OSError(str(error)) from error
        return bytes(body)


class _Built(BaseModel):
    """A model that is built when it is first used."""

    model_config = ConfigDict(defer_build=True)


class _AlertmanagerAlert(_Built):
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    state: str = "firing"
    since: str = Field("", validation_alias="activeAt")
    starts: str = Field("", validation_alias="startsAt")

    def shown(self) -> FiringAlert:
        labels = self.labels
        place = next((labels[name] for name in _PLACES if labels.get(name)), "")
        return FiringAlert(
            rank=_rank(labels.get("severity", "")),
            name=labels.get("alertname", "")[:_MOST_LETTERS],
            place=place[:_MOST_LETTERS],
            severity=labels.get("severity", "")[:_MOST_LETTERS],
            rack=labels.get("rack", "")[:_MOST_LETTERS],
            site=labels.get("site", ""),
            since=(self.since or self.starts)[:_MOST_LETTERS],
            summary=self.annotations.get("summary", "")[:_MOST_LETTERS],
        )


class _Told(_Built):
    alerts: list[_AlertmanagerAlert]


class _Answer(_Built):
    data: _Told


@dataclass(frozen=True, slots=True, order=True)
class FiringAlert:
    """One alert that fires.

    Attributes:
        rank: 0 for the worst severity.
        name: of its rule.
        place: the rack, the array or the device that it is about, by its labels.
        severity: its label.
        rack: name of its rack, empty for none.
        site: its label, empty for none.
        since: when its condition began to hold, in RFC 3339.
        summary: its annotation.
        devices: on how many devices of the place it fires.
    """

    rank: int
    name: str
    place: str
    severity: str
    rack: str
    site: str
    since: str
    summary: str
    devices: int = 1


@dataclass(frozen=True, slots=True)
class FiringAlerts:
    """What is known of the alerts that fire.

    Attributes:
        source: the server that was asked, in words; None where none is known.
        problem: why the alerts are unknown; None where they are known.
        count: alerts that fire on this site.
        alerts: the worst of them by rule and place, at most so many as can be shown.
    """

    source: str | None = None
    problem: str | None = None
    count: int = 0
    alerts: tuple[FiringAlert, ...] = ()


class AlertsWatch:
    """Asks a server again and again, in a thread of its own: no answer can hold up the site.

    Args:
        server: the server of the alerts, None for none.
        site: whose alerts are wanted; those without the label ``site`` count too.
        clock: seconds of a clock that never runs backwards.
    """

    def __init__(
        self,
        server: AlertServer | None,
        site: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._site = site
        self._clock = clock
        self._stop = threading.Event()
        source = None if server is None else f"{server.kind} at {server.url}"
        problem = None if server is None else "it was not asked yet"
        self._known = FiringAlerts(source, problem)
        self._answered = clock()

    def start(self) -> None:
        """Start polling, if there is a server."""
        if self._server is not None:
            threading.Thread(target=self._run, name="firing alerts", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()

    def view(self) -> Mapping[str, Any]:
        """Return what the page shows."""
        known = self._known
        age = self._clock() - self._answered
        if known.problem is None and known.source is not None and age > _FRESH_SECONDS:
            known = FiringAlerts(known.source, f"it has not answered for {age:.0f} s")
        return asdict(known)

    def ask(self) -> None:
        """Ask once, and keep the answer or why there is none."""
        if self._server is None:
            return
        empty = FiringAlerts(self._known.source)
        try:
            alerts = [one for one in self._server.ask() if one.site in ("", self._site)]
        except (OSError, ValueError, RecursionError) as error:
            self._known = replace(empty, problem=_reason(error))
            return
        self._answered = self._clock()
        shown = tuple(islice(_by_place(alerts), _MOST_ALERTS))
        self._known = replace(empty, count=len(alerts), alerts=shown)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.ask()
            self._stop.wait(_PERIOD_SECONDS)


def _by_place(alerts: Sequence[FiringAlert]) -> Iterator[FiringAlert]:
    """Yield one alert a rule and place: the one that fires longest there."""
    for _, same in groupby(alerts, key=lambda one: (one.rank, one.name, one.place, one.severity)):
        group = list(same)
        yield replace(min(group, key=lambda one: one.since), devices=len(group))


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _reason(error: Exception) -> str:
    """Return why a server could not be asked, in a few words."""
    if isinstance(error, ValidationError | RecursionError):
        return "it answers something else than alerts"
    if isinstance(error, ValueError):
        return str(error)[:_MOST_LETTERS]
    return "it does not answer"


def _first_line(file: Path, option: str) -> str:
    try:
        line = file.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(f"{option}: the password file {file} cannot be read: {reason}") from None
    if not line:
        raise ConfigError(f"{option}: the password file {file} is empty")
    return line

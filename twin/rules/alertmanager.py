"""Alertmanager in a rule test: notified and inhibited alerts, by the real one.

Inhibition is decided by Alertmanager itself: whenever the set of firing alerts changes,
it is posted, and Alertmanager reports for each alert whether another one inhibits it. Time
is simulated, so there is no group wait: an alert counts as notified when it has fired
uninhibited for as long as the usual group wait.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from twin.clients.http import HttpServer, is_ready
from twin.errors import ConfigError
from twin.rules.engine import Episode

__all__ = ["told_by"]

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/bin:/usr/local/sbin"
_NAMES = ("alertmanager", "prometheus-alertmanager")
_START_SECONDS = 15.0
_POLL_SECONDS = 0.05
_ALERTS = "/api/v2/alerts"
_GROUP_WAIT = 30.0
"""Alertmanager's default ``group_wait``."""
_STARTS, _ENDS = "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
_MISTAKE = re.compile(r'err="?(?P<text>.*?)"?$')

_Labels = tuple[tuple[str, str], ...]


def told_by(config: Path, episodes: Sequence[Episode], end: float) -> dict[str, float]:
    """Return when each alert was first told, by its name; inhibited ones are left out.

    Args:
        config: Alertmanager's configuration.
        episodes: of all alerts.
        end: end of the scenario.

    Raises:
        ConfigError: Alertmanager is not installed or refuses its configuration.
    """
    fired = [own for own in episodes if own.firing is not None]
    if not fired:
        return {}
    moments = sorted({at for own in fired for at in (own.firing, own.ended) if at is not None})
    free: dict[_Labels, float] = {}
    told: dict[str, float] = {}
    with _running(config) as server:
        for moment, following in zip(moments, [*moments[1:], end], strict=True):
            now = {
                tuple(sorted(own.labels.items())): own
                for own in fired
                if own.firing is not None
                and own.firing <= moment
                and (own.ended is None or own.ended > moment)
            }
            quiet = _inhibited(server, list(now))
            free = {labels: free.get(labels, moment) for labels in now if labels not in quiet}
            for labels, since in free.items():
                if following - since >= _GROUP_WAIT or (following == end and end > since):
                    told.setdefault(dict(labels)["alertname"], since)
    return told


def _inhibited(server: HttpServer, alerts: Sequence[_Labels]) -> set[_Labels]:
    """Return which of these alerts Alertmanager inhibits while exactly they fire."""
    if not alerts:
        return set()
    # What fires no more is ended in the same message; a generation label would change routing.
    standing = server.json(_ALERTS)
    wanted = set(alerts)
    over = [own["labels"] for own in standing if tuple(sorted(own["labels"].items())) not in wanted]
    body = [{"labels": dict(labels), "startsAt": _STARTS, "endsAt": _ENDS} for labels in alerts]
    body += [{"labels": labels, "startsAt": _STARTS, "endsAt": _STARTS} for labels in over]
    server.ask("POST", _ALERTS, json=body)
    deadline = time.monotonic() + _START_SECONDS
    before: Mapping[_Labels, Mapping[str, str]] = {}
    while True:
        found = {
            tuple(sorted(own["labels"].items())): own["status"] for own in server.json(_ALERTS)
        }
        # An alert may be listed before what inhibits it is known, so two answers must agree.
        if found.keys() == wanted and found == before:
            return {labels for labels, status in found.items() if status["inhibitedBy"]}
        if time.monotonic() > deadline:
            raise ConfigError("Alertmanager did not accept the alerts; check its configuration")
        before = found
        time.sleep(_POLL_SECONDS)


@contextmanager
def _running(config: Path) -> Iterator[HttpServer]:
    """Start an Alertmanager with this configuration."""
    found = os.environ.get("ALERTMANAGER") or next(
        filter(None, (shutil.which(name, path=_PATH) for name in _NAMES)), None
    )
    if found is None:
        raise ConfigError(
            "alertmanager is not installed, which --alertmanager needs; it comes with Prometheus "
            "(apt install prometheus-alertmanager, or a release from prometheus.io), "
            "or set ALERTMANAGER"
        )
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="twin-rules-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - the program that the user installed
                [
                    found,
                    f"--config.file={config.absolute()}",
                    f"--storage.path={folder}/data",
                    f"--web.listen-address={address}",
                    "--cluster.listen-address=",
                ],
                stdout=out,
                stderr=out,
            )
        try:
            _wait(process, address, config, log)
            yield HttpServer(f"http://{address}", "Alertmanager", timeout=10.0)
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, config: Path, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if is_ready(f"http://{address}/-/ready", timeout=1):
            return
        time.sleep(_POLL_SECONDS)
    text = log.read_text(encoding="utf-8", errors="replace")
    mistakes = [match["text"] for line in text.splitlines() if (match := _MISTAKE.search(line))]
    raise ConfigError(f"{config}: Alertmanager does not start: {(mistakes or [text])[-1]}")

"""Secrets of the stack: generated once, each readable by one service only.

::

    logins/           root's alone: every password in plain text, from which all else is made
    broker/           Mosquitto: hashed passwords, the access list, its certificate
    emulator/ …       one folder a service: what it needs to be let in elsewhere
    public/ca.pem     for everybody: what the broker's certificate is checked against

Each folder but the first is a volume of its own, which only its service mounts. Services run as
users of their own, and a file belongs to the one that reads it, mode 0400. So a service that is
taken over gives away its own secrets and no other's.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twin.compose.acl import BrokerRole, BrokerUser, render_acl
from twin.compose.certificates import Certificate, is_fresh, make_certificate, read_certificate
from twin.compose.hashes import mosquitto_hash, web_hash
from twin.errors import ConfigError

__all__ = ["LOGINS", "UIDS", "SecretsConfig", "Vault"]

_BYTES = 20
_PRIVATE, _PUBLIC = 0o400, 0o444

LOGINS: Mapping[str, str] = {
    "control": "broker: commands; Alertmanager: silences; Prometheus: queries",
    "guest": "broker: read; aggregator: page and metrics; Prometheus: queries",
    "admin": "Grafana",
    "command-token": "aggregator: faults from the page, when that is on",
    "plant-0": "broker: the emulator's frames",
    "scale-0": "broker: the emulator's frames, profile scale",
    "aggregator": "broker: reads its site",
    "aggregator-scale": "broker: reads its site, profile scale",
    "shadow": "broker: reads its site and reports on it, profile shadow",
    "redfish": "broker: reads the racks of its site, profile redfish",
    "bmc": "Redfish: user admin of every BMC, profile redfish",
    "health": "the health checks",
    "prometheus": "Prometheus, of itself and of Alertmanager",
    "grafana": "Prometheus and Alertmanager, for Grafana",
    "victoriametrics": "VictoriaMetrics, profile victoriametrics",
}
"""Every login, and what it is for; the first four are people's."""

UIDS = {
    "broker": 1883,
    "emulator": 10001,
    "aggregator": 10002,
    "emulator-scale": 10003,
    "aggregator-scale": 10004,
    "prometheus": 10005,
    "alertmanager": 10006,
    "prometheus-scale": 10007,
    "victoriametrics": 10008,
    "vmalert": 10009,
    "shadow": 10010,
    "redfish": 10011,
    "grafana": 472,
    "public": 0,
}
"""Folder of a service to the user that it runs as, as docker-compose.yml says."""

_READERS = ("aggregator", "aggregator-scale", "prometheus", "prometheus-scale", "victoriametrics",
            "redfish")  # fmt: skip
"""Who reads the aggregator and the Redfish service as guests, by one token, and who takes it."""
_DOORS = {
    "prometheus": ("control", "guest", "grafana", "prometheus", "health"),
    "prometheus-scale": ("control", "guest", "grafana", "prometheus", "health"),
    "alertmanager": ("control", "grafana", "prometheus", "health"),
}
"""Logins of each service. Alertmanager has no permissions: every login can create silences."""


@dataclass(frozen=True, slots=True)
class SecretsConfig:
    """What the secrets are for.

    Attributes:
        site: name of the site.
        scale_site: name of the second site, of the profile ``scale``.
        injects: whether the aggregator's page may give commands.
        redfish_names: host names and addresses of the BMCs' certificate.
        tls_names: host names and addresses of the broker's certificate; none for no TLS.
        own_certificate: folder in which the administrator may have put one.
        renew: whether to make every password anew, but for Grafana's administrator, whose
            password Grafana itself keeps.
    """

    site: str
    scale_site: str
    injects: bool = False
    redfish_names: Sequence[str] = ("localhost", "127.0.0.1")
    tls_names: Sequence[str] = ()
    own_certificate: Path | None = None
    renew: bool = False

    @property
    def broker_users(self) -> tuple[BrokerUser, ...]:
        """Everybody whom the broker lets in."""
        return (
            BrokerUser("plant-0", BrokerRole.EMULATOR, self.site),
            BrokerUser("aggregator", BrokerRole.AGGREGATOR, self.site, injects=self.injects),
            BrokerUser("scale-0", BrokerRole.EMULATOR, self.scale_site),
            BrokerUser("aggregator-scale", BrokerRole.AGGREGATOR, self.scale_site),
            BrokerUser("shadow", BrokerRole.OBSERVER, self.site),
            BrokerUser("redfish", BrokerRole.CONTROLLERS, self.site),
            BrokerUser("control", BrokerRole.CONTROL),
            BrokerUser("guest", BrokerRole.GUEST),
            BrokerUser("health", BrokerRole.HEALTH),
        )


class Vault:
    """The folder of the secrets.

    Args:
        folder: where it is; made when it is not there.
        chown: gives a file to a user and group; needs root.
    """

    def __init__(self, folder: Path, chown: Callable[[Path, int, int], None] = os.chown) -> None:
        self._folder = folder
        self._chown = chown

    def prepare(self, config: SecretsConfig) -> None:
        """Make what is missing, keep every password that is there, and write all else anew.

        Raises:
            ConfigError: the folder cannot be written to, or a certificate cannot be had.
        """
        try:
            logins = self._make_logins(config.renew)
            self._write_broker(config, logins)
            self._write_services(logins)
            self._write_redfish(config, logins)
        except OSError as error:
            raise ConfigError(
                f"{error.filename or self._folder}: {error.strerror}; the secrets need a folder "
                "that root may write to and give away"
            ) from error

    def logins(self) -> dict[str, str]:
        """Return every login with its password.

        Raises:
            ConfigError: there are none yet, or they are not ours to read.
        """
        try:
            return {name: self._login(name).read_text(encoding="ascii") for name in LOGINS}
        except OSError as error:
            raise ConfigError(
                f"{error.filename}: {error.strerror}; make them with `twin stack secrets`, "
                "and read them as root"
            ) from error

    # -- passwords ------------------------------------------------------------

    def _login(self, name: str) -> Path:
        return self._folder / "logins" / name

    def _make_logins(self, renew: bool) -> dict[str, str]:
        folder = self._folder / "logins"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in LOGINS:
            if not self._login(name).exists() or (renew and name != "admin"):
                self._put(self._login(name), secrets.token_hex(_BYTES), _PRIVATE)
        return self.logins()

    # -- what is made of them -------------------------------------------------

    def _write_broker(self, config: SecretsConfig, logins: Mapping[str, str]) -> None:
        users = config.broker_users
        hashed = [f"{user.name}:{mosquitto_hash(logins[user.name])}\n" for user in users]
        self._give("broker", "passwords", "".join(hashed))
        self._give("broker", "acl", render_acl(users))
        # mosquitto_sub reads its options from such a file: no list of processes shows them.
        self._give("broker", "mosquitto_sub", f"-u health\n-P {logins['health']}\n")
        if config.tls_names:
            self._write_certificate(config)

    def _write_certificate(self, config: SecretsConfig) -> None:
        folder = config.own_certificate
        own = None if folder is None else read_certificate(folder)
        if own is None and is_fresh(self._folder / "broker/server.pem", config.tls_names):
            return
        certificate: Certificate = own or make_certificate(config.tls_names)
        self._give("public", "ca.pem", certificate.ca, _PUBLIC)
        self._give("broker", "server.pem", certificate.chain, _PUBLIC)
        self._give("broker", "server.key", certificate.key)

    def _write_redfish(self, config: SecretsConfig, logins: Mapping[str, str]) -> None:
        """Write the BMCs' password and certificate, and the CA for who scrapes them."""
        self._give("redfish", "bmc", logins["bmc"])
        names = [*config.redfish_names, "redfish"]
        if is_fresh(self._folder / "redfish/server.pem", names):
            return
        made = make_certificate(names)
        self._give("redfish", "server.key", made.key)
        for folder in ("redfish", "prometheus", "victoriametrics"):
            self._give(folder, "redfish-ca.pem", made.ca)
        self._give("public", "redfish-ca.pem", made.ca, _PUBLIC)
        self._give("redfish", "server.pem", made.chain)

    def _write_services(self, logins: Mapping[str, str]) -> None:
        for folder, login in (
            ("emulator", "plant-0"),
            ("aggregator", "aggregator"),
            ("emulator-scale", "scale-0"),
            ("aggregator-scale", "aggregator-scale"),
            ("shadow", "shadow"),
            ("redfish", "redfish"),
        ):
            self._give(folder, "broker", logins[login])
        for folder in _READERS:
            self._give(folder, "read-token", logins["guest"])
        self._give("aggregator", "command-token", logins["command-token"])
        for door, names in _DOORS.items():
            self._give(door, "web.yml", _web_config(names, logins))
            # promtool and amtool read their login from such a file, as mosquitto_sub does.
            self._give(door, "health.yml", _client_config("health", logins))
        for folder in ("prometheus", "prometheus-scale", "victoriametrics", "vmalert"):
            self._give(folder, "prometheus", logins["prometheus"])
        for folder in ("victoriametrics", "vmalert"):
            self._give(folder, "victoriametrics", logins["victoriametrics"])
        for name, login in (
            ("admin", "admin"), ("prometheus", "grafana"), ("victoriametrics", "victoriametrics")
        ):  # fmt: skip
            self._give("grafana", name, logins[login])

    def _give(self, folder: str, name: str, content: str | bytes, mode: int = _PRIVATE) -> None:
        (self._folder / folder).mkdir(mode=0o755, exist_ok=True)
        self._put(self._folder / folder / name, content, mode, UIDS[folder])

    def _put(self, path: Path, content: str | bytes, mode: int, uid: int | None = None) -> None:
        """Write a file in one step; it is never visible before it belongs to its reader."""
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        data = content.encode() if isinstance(content, str) else content
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if uid is not None:
            self._chown(beside, uid, uid)
        beside.replace(path)


def _web_config(names: Sequence[str], logins: Mapping[str, str]) -> str:
    """Return the web configuration of Prometheus or Alertmanager, which YAML reads as JSON."""
    return json.dumps({"basic_auth_users": {name: web_hash(logins[name]) for name in names}})


def _client_config(name: str, logins: Mapping[str, str]) -> str:
    """Return the HTTP configuration of a client of theirs."""
    return json.dumps({"basic_auth": {"username": name, "password": logins[name]}})

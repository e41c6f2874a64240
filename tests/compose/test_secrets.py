"""The secrets of the stack: made once, readable by one, never twice the same."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import bcrypt
import pytest
from cryptography import x509

from twin.compose.certificates import is_fresh
from twin.compose.secrets import LOGINS, UIDS, SecretsConfig, Vault
from twin.errors import ConfigError

CONFIG = SecretsConfig(site="demo", scale_site="colossus-100k")


class Owners:
    """Notes to whom files are given, instead of giving them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.of: dict[str, int] = {}

    def __call__(self, path: Path, uid: int, gid: int) -> None:
        """Take the place of ``os.chown``."""
        assert uid == gid
        name = path.name.removeprefix(".").removesuffix(".new")
        self.of[f"{path.parent.relative_to(self._folder)}/{name}"] = uid


@pytest.fixture
def owners(tmp_path: Path) -> Owners:
    """Return the notes on whom files were given to."""
    return Owners(tmp_path)


@pytest.fixture
def vault(tmp_path: Path, owners: Owners) -> Vault:
    """Return an empty vault."""
    return Vault(tmp_path, owners)


def files(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_login_is_random_and_long(vault: Vault) -> None:
    """No two logins share a password, and each has 160 random bits."""
    vault.prepare(CONFIG)
    logins = vault.logins()
    assert logins.keys() == LOGINS.keys()
    assert len(set(logins.values())) == len(logins)
    assert all(len(password) == 40 for password in logins.values())


def test_what_is_there_is_kept(vault: Vault, tmp_path: Path) -> None:
    """A second start changes no password and leaves nothing beside."""
    vault.prepare(CONFIG)
    before, names = vault.logins(), files(tmp_path).keys()
    vault.prepare(CONFIG)
    assert vault.logins() == before
    assert files(tmp_path).keys() == names


def test_a_lost_password_is_made_again(vault: Vault, tmp_path: Path) -> None:
    """A start that was cut short is completed by the next one."""
    vault.prepare(CONFIG)
    before = vault.logins()
    (tmp_path / "logins/guest").unlink()
    vault.prepare(CONFIG)
    after = vault.logins()
    assert after.pop("guest") != before.pop("guest")
    assert after == before


def test_renewing_leaves_grafanas_administrator(vault: Vault) -> None:
    """Grafana keeps its administrator's password itself, so a new one here would open nothing."""
    vault.prepare(CONFIG)
    before = vault.logins()
    vault.prepare(SecretsConfig("demo", "colossus-100k", renew=True))
    after = vault.logins()
    assert [name for name in LOGINS if after[name] == before[name]] == ["admin"]


def test_each_file_is_its_readers_alone(vault: Vault, tmp_path: Path, owners: Owners) -> None:
    """A file belongs to the user of one service, and nobody else can read it."""
    vault.prepare(CONFIG)
    given = {name: uid for name, uid in owners.of.items() if not name.startswith("logins/")}
    assert {name.partition("/")[0]: uid for name, uid in given.items()} == UIDS
    public = {name for name in files(tmp_path) if name.startswith("public/")}
    assert public == {"public/redfish-ca.pem"}
    for name in files(tmp_path).keys() - public:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o400
    assert stat.S_IMODE((tmp_path / "logins").stat().st_mode) == 0o700


def test_no_service_holds_anothers_password(vault: Vault, tmp_path: Path) -> None:
    """What a service can read opens only the doors that it has business at."""
    vault.prepare(CONFIG)
    logins = vault.logins()
    held: dict[str, set[str]] = {}
    for name, content in files(tmp_path).items():
        for login, password in logins.items():
            if password.encode() in content:
                held.setdefault(name.partition("/")[0], set()).add(login)
    del held["logins"]
    assert held == {
        "broker": {"health"},
        "emulator": {"plant-0"},
        "emulator-scale": {"scale-0"},
        "aggregator": {"aggregator", "guest", "command-token"},
        "aggregator-scale": {"aggregator-scale", "guest"},
        "prometheus": {"guest", "prometheus", "health"},
        "prometheus-scale": {"guest", "prometheus", "health"},
        "alertmanager": {"health"},
        "victoriametrics": {"guest", "prometheus", "victoriametrics"},
        "vmalert": {"prometheus", "victoriametrics"},
        "shadow": {"shadow"},
        "redfish": {"redfish", "bmc", "guest"},
        "grafana": {"admin", "grafana", "victoriametrics"},
    }


def test_a_guest_is_not_let_into_alertmanager(vault: Vault, tmp_path: Path) -> None:
    """Alertmanager knows no rights, so who only reads stays outside."""
    vault.prepare(CONFIG)
    logins = vault.logins()
    doors = {
        door: json.loads((tmp_path / f"{door}/web.yml").read_bytes())["basic_auth_users"]
        for door in ("prometheus", "alertmanager")
    }
    assert bcrypt.checkpw(logins["guest"].encode(), doors["prometheus"]["guest"].encode())
    assert set(doors["alertmanager"]) == {"control", "grafana", "prometheus", "health"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error names the place and what it must be."""
    place = tmp_path / "file"
    place.write_text("in the way")
    with pytest.raises(ConfigError, match=f"{place}.*the secrets need a folder"):
        Vault(place).prepare(CONFIG)
    with pytest.raises(ConfigError, match="make them with `twin stack secrets`"):
        Vault(tmp_path).logins()


def test_half_a_certificate_is_refused(vault: Vault, tmp_path: Path) -> None:
    """A certificate without its key is no certificate, and the missing file is named."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "server.pem").write_text("half")
    config = SecretsConfig("demo", "demo", tls_names=["localhost"], own_certificate=own)
    with pytest.raises(ConfigError, match=r"ca\.pem, server\.key is missing beside server\.pem"):
        vault.prepare(config)


def test_an_own_certificate_is_taken(vault: Vault, tmp_path: Path) -> None:
    """What the administrator gave goes to the broker, and its CA to everybody."""
    own = tmp_path / "own"
    own.mkdir()
    for name in ("ca.pem", "server.pem", "server.key"):
        (own / name).write_text(name)
    vault.prepare(SecretsConfig("demo", "demo", tls_names=["localhost"], own_certificate=own))
    assert (tmp_path / "public/ca.pem").read_text() == "ca.pem"
    assert stat.S_IMODE((tmp_path / "broker/server.key").stat().st_mode) == 0o400


def test_bmcs_have_a_certificate_that_prometheus_can_check(vault: Vault, tmp_path: Path) -> None:
    """It is for the names asked for and the service's own, and kept while it is good."""
    vault.prepare(CONFIG)
    certificate = tmp_path / "redfish/server.pem"
    assert is_fresh(certificate, ["localhost", "127.0.0.1", "redfish"])
    first = certificate.read_bytes()
    vault.prepare(CONFIG)
    assert certificate.read_bytes() == first
    names = ["*.bmc.example.org"]
    vault.prepare(SecretsConfig("demo", "colossus-100k", redfish_names=names))
    assert is_fresh(certificate, [*names, "redfish"])
    copies = {(tmp_path / f"{own}/redfish-ca.pem").read_bytes()
              for own in ("redfish", "prometheus", "victoriametrics", "public")}  # fmt: skip
    assert len(copies) == 1
    ca, leaf = (x509.load_pem_x509_certificate(own) for own in (*copies, certificate.read_bytes()))
    leaf.verify_directly_issued_by(ca)

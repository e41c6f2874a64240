"""The broker's certificate: made here, checked as strictly as clients do, renewed in time."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from twin.compose.certificates import make_certificate
from twin.compose.secrets import SecretsConfig, Vault
from twin.errors import ConfigError


@pytest.mark.parametrize("name", ["mosquitto", "127.0.0.1"])
def test_clients_trust_what_is_made(tmp_path: Path, name: str) -> None:
    """The strictest check of a client accepts the certificate under each of its names."""
    made = make_certificate(["mosquitto", "127.0.0.1"])
    chain, key = tmp_path / "server.pem", tmp_path / "server.key"
    chain.write_bytes(made.chain)
    key.write_bytes(made.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    client = ssl.create_default_context(cadata=made.ca.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    shake_hands(server, client, name)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        shake_hands(server, client, "other")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"local issuer|self-signed"):
        shake_hands(server, ssl.create_default_context(), name)


def test_a_certificate_is_renewed_only_when_it_must_be(tmp_path: Path) -> None:
    """A certificate that is good for another month is kept; one for another name is not."""
    vault = Vault(tmp_path, lambda _path, _uid, _gid: None)
    certificate = tmp_path / "broker/server.pem"
    seen = []
    for names in (["localhost"], ["localhost"], ["localhost", "10.0.0.1"], ["10.0.0.1"]):
        vault.prepare(SecretsConfig("demo", "demo", tls_names=names))
        seen.append(certificate.read_bytes())
    assert seen[0] == seen[1] != seen[2] == seen[3]


@pytest.mark.parametrize("name", ["", "\u00fc.example", "x" * 70])
def test_a_name_that_no_certificate_can_have(name: str) -> None:
    """A name that cannot stand in a certificate is refused and told."""
    with pytest.raises(ConfigError, match=r"--tls .*; give host names and addresses"):
        make_certificate([name])


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """Let a client and a server shake hands in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    open_ends = set(ends)
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
                open_ends.discard(end)
            except ssl.SSLWantReadError:
                pass
        if not open_ends:
            return
    msg = "the handshake did not end"
    raise AssertionError(msg)

"""Options that several commands share."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from twin.cli.completion import complete_level, complete_site, complete_workload
from twin.errors import ConfigError

if TYPE_CHECKING:
    from twin.aggregator import AlertServer, CertificateFiles, Token
    from twin.site import Shard

__all__ = [
    "AlertmanagerUrl",
    "AllowInject",
    "Broker",
    "CodecName",
    "DetailSettings",
    "Doors",
    "Failures",
    "InjectTokenFile",
    "Interval",
    "JsonOutput",
    "JunitFile",
    "LogLevel",
    "OutputFile",
    "PrometheusUrl",
    "ReportFile",
    "ShardCount",
    "ShardName",
    "SiteName",
    "SlowDown",
    "State",
    "TlsCert",
    "TlsKey",
    "TokenFile",
    "Workload",
    "alert_server",
    "doors",
    "seconds",
    "shard_of",
]

SiteName = Annotated[
    str,
    typer.Option(
        "--site",
        "-s",
        envvar="TWIN_SITE",
        help="A preset's name, a YAML file, or a campus and one of its sites.",
        autocompletion=complete_site,
    ),
]
Broker = Annotated[
    str,
    typer.Option(
        "--broker",
        "-b",
        envvar="TWIN_BROKER",
        help="mqtt://[user:password@]host[:port], or mqtts:// for TLS; the nodes of a cluster "
        "with commas between them.",
    ),
]
AllowInject = Annotated[
    bool,
    typer.Option(
        "--allow-inject",
        envvar="TWIN_ALLOW_INJECT",
        help="Allow faults to be injected and cleared from the page, with a token: that of "
        "--inject-token-file, or a generated one that is printed.",
    ),
]
InjectTokenFile = Annotated[
    Path | None,
    typer.Option(
        "--inject-token-file",
        envvar="TWIN_INJECT_TOKEN_FILE",
        help="File with the token for faults, with --allow-inject; it also allows reading.",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="TWIN_TOKEN_FILE",
        help="File with the token that every request but /healthz must show, as Authorization: "
        "Bearer, or as the password of any user; by default everything can be read.",
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        envvar="TWIN_TLS_CERT",
        help="PEM file of the certificate for HTTPS, with its chain; reloaded when replaced.",
    ),
]
TlsKey = Annotated[
    Path | None,
    typer.Option("--tls-key", envvar="TWIN_TLS_KEY", help="PEM file of the certificate's key."),
]
Workload = Annotated[
    str,
    typer.Option(
        "--workload",
        "-w",
        envvar="TWIN_WORKLOAD",
        help="training, idle, a workload such as llm-serving, or trace:gpt3-512xh100.",
        autocompletion=complete_workload,
    ),
]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
Interval = Annotated[
    str | None,
    typer.Option(
        envvar="TWIN_INTERVAL",
        help="Simulated time between two frames of a unit; by default the site's, "
        "but at most 30 frames a second.",
    ),
]
State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar="TWIN_STATE",
        help="Folder for the plant's state, so that counters continue after a restart.",
    ),
]
Failures = Annotated[
    str,
    typer.Option(
        "--failures",
        envvar="TWIN_FAILURES",
        help="none, or natural: random faults at the rates that Meta published for Llama 3; "
        "natural:100 for a hundred times as many, rsc-1 for those of another fleet, "
        "natural+repairs for nodes that come back as repairs were measured.",
    ),
]
CodecName = Annotated[
    Literal["json", "cbor"],
    typer.Option(
        "--codec",
        envvar="TWIN_CODEC",
        help="Format of frames: json, readable with mosquitto_sub, or cbor for large sites.",
    ),
]
SlowDown = Annotated[
    bool,
    typer.Option(
        "--slow-down",
        envvar="TWIN_SLOW_DOWN",
        help="Lengthen the interval when the machine is too slow for it; by default it stays, and "
        "late and dropped frames are counted.",
    ),
]
DetailSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--detail",
        envvar="TWIN_DETAIL",
        help="How much of each array is exposed: gpu, rack or site for all, or a001=gpu, or "
        "a010-a020=site; may be repeated. By default as in the site file.",
    ),
]
ShardName = Annotated[
    str | None,
    typer.Option(
        "--shard",
        envvar="TWIN_SHARD",
        help="Part of the site: 0/3 for the first of three shards of its arrays; auto/3 takes the "
        "number at the end of the host's name. By default the whole site.",
    ),
]
ShardCount = Annotated[
    int | None,
    typer.Option(
        envvar="TWIN_SHARD_COUNT",
        help="Number of shards, if --shard does not give it: --shard auto, or no --shard, takes "
        "the number at the end of the host's name.",
        min=1,
    ),
]
LogLevel = Annotated[
    str,
    typer.Option(
        "--log-level",
        envvar="TWIN_LOG_LEVEL",
        help="debug, info, warning or error.",
        autocompletion=complete_level,
    ),
]


def _writable(path: Path | None) -> Path | None:
    """Refuse a file that cannot be written before the work whose result it is to hold.

    Raises:
        ConfigError: its folder is not there, or it is a folder itself.
    """
    if path is not None and path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it")
    if path is not None and not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}; make it")
    return path


JunitFile = Annotated[
    Path | None, typer.Option("--junit", help="Write JUnit XML here.", callback=_writable)
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report", help="Write an HTML report with the signals here.", callback=_writable
    ),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="The file; by default standard output.", callback=_writable
    ),
]


def shard_of(text: str | None, count: int | None, replicas: int = 1) -> Shard | None:
    """Return the shard that the options name, None for the whole site.

    Args:
        text: of ``--shard``.
        count: of ``--shard-count``.
        replicas: processes that a shard has.

    Raises:
        ConfigError: they name no shard.
    """
    if text is None and count is None:
        return None
    from twin.site import Shard

    word = "auto" if text is None else text
    if "/" not in word and count is not None:
        word = f"{word}/{count}"
    return Shard.parse(word, socket.gethostname(), replicas)


PrometheusUrl = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        envvar="TWIN_PROMETHEUS",
        help="Prometheus whose firing alerts the page shows, as http://127.0.0.1:9090 or "
        "http://user@host:9090?password_file=/path.",
    ),
]
AlertmanagerUrl = Annotated[
    str | None,
    typer.Option(
        "--alertmanager",
        envvar="TWIN_ALERTMANAGER",
        help="The same for an Alertmanager, without silenced and inhibited alerts.",
    ),
]


def alert_server(prometheus: str | None, alertmanager: str | None) -> AlertServer | None:
    """Return the server of the firing alerts, None for none.

    Raises:
        ConfigError: an address is of no use, or there are two.
    """
    # Imported only where it is needed: so many options are asked for their help alone.
    from twin.aggregator import AlertServer

    if prometheus and alertmanager:
        raise ConfigError("--prometheus and --alertmanager give the same alerts; leave one out")
    if prometheus:
        return AlertServer.parse("Prometheus", prometheus)
    return AlertServer.parse("Alertmanager", alertmanager) if alertmanager else None


@dataclass(frozen=True, slots=True)
class Doors:
    """Who may come in over HTTP, and how.

    Attributes:
        token: opens all that can be read; None where reading needs no token.
        inject_token: opens faults; None where they are off.
        tls: certificate for HTTPS; None for plain HTTP.
        made_up: whether ``inject_token`` is generated and has to be printed.
    """

    token: Token | None
    inject_token: Token | None
    tls: CertificateFiles | None
    made_up: bool


def doors(
    token_file: Path | None,
    allow_inject: bool,
    inject_token_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> Doors:
    """Return what the options say of who may come in.

    Raises:
        ConfigError: a file is of no use, or a certificate has no key.
    """
    from twin.aggregator import CertificateFiles, Token

    inject = None
    if allow_inject:
        inject = Token.of_file(inject_token_file) if inject_token_file else Token.random()
    return Doors(
        token=Token.of_file(token_file) if token_file else None,
        inject_token=inject,
        tls=CertificateFiles.of(tls_cert, tls_key),
        made_up=allow_inject and inject_token_file is None,
    )


_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str) -> float:
    """Return the seconds that a duration like ``20s``, ``5m`` or ``1.5h`` has.

    Raises:
        ConfigError: it is not a duration, or zero.
    """
    match = _DURATION.match(text.strip())
    value = float(match[1]) * _SECONDS[match[2] or "s"] if match else 0.0
    if value <= 0:
        raise ConfigError(f"duration {text!r} is not valid; write for example 500ms, 20s, 5m or 2h")
    return value

"""The twin's aggregator beside other ways from MQTT to Prometheus, same data, same run.

Run: ``python benchmarks/peers.py [--rounds 10] [--json] [--save FILE]``.

============================  =====================================================
``prometheus-mqtt-exporter``  Debian's package (hikhvar/mqtt2prometheus), must be installed
``mqtt-exporter``             PyPI (kpetremann/mqtt-exporter), set up in a folder of its own
``telegraf``                  Go modules of Telegraf, built here by Go 1.25 or newer: its agent,
                              ``inputs.mqtt_consumer`` and ``outputs.prometheus_client``
``prometheus_client``         what many write themselves; exposition only, in this process
============================  =====================================================

All get the values of one array of 512 H100 after ten minutes of training, over one Mosquitto.
The others cannot take arrays, so they get the values of the GPUs as one JSON object a GPU,
the form that they are made for; the twin gets the frames of whole racks, which have those
values and the other devices'. What is compared is the CPU time of the receiving process for a
value taken over and for a series scraped. Every value that a process was sent is looked for
on its page, so one that is configured wrongly or loses a message ends the run. VictoriaMetrics
is not here: its agent reads no MQTT.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import venv
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from twin.bench.broker import BrokerKind, RunningBroker, running_broker
from twin.bench.clock import Budget
from twin.bench.data import lived_in, scaled_site_text
from twin.bench.exposition import COLLECTOR, GAUGES, OURS, measure_exposition
from twin.bench.page import read_own
from twin.bench.process import Child, find_program, free_port, started
from twin.bench.receiver import Receiver, Sent, measure_receiver, read_page
from twin.bench.script import parser, run
from twin.bus import Bus
from twin.catalog import GPU, UnitKind
from twin.catalog.own import FRAMES_INGESTED, FRAMES_LOST
from twin.errors import ConfigError, ServiceError
from twin.site import Layout, parse_site
from twin.wire import Codec, Encoder, Outputs, Topics

PYPI = "mqtt-exporter==1.12.1"
PREFIX = "peers/"
PACE = 500.0
"""Messages a second: well below what the slowest takes, so that nobody has to drop any."""
FRAMES_A_ROUND = 16
"""Rounds of the twin for each of the others; a round is over too soon to be measured alone."""

_TELEGRAF = """\
[agent]
  flush_interval = "1s"
  quiet = true
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{broker}"]
  topics = ["{topics}"]
  data_format = "json"
[[outputs.prometheus_client]]
  listen = "127.0.0.1:{port}"
  metric_version = 2
  collectors_exclude = ["gocollector", "process"]
"""

Values = dict[str, dict[str, float]]
"""Values of the GPUs: by name of the device, then of the signal."""


def main() -> None:
    """Print CPU time a sample and a series of each, and their ratio to the twin's."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=10, help="times that all values are sent")
    options = arguments.parse_args()
    run(options, lambda: asyncio.run(_run(options)), _table)


async def _run(options: Namespace) -> dict[str, Any]:
    # At such an interval nobody is missed while he is measured.
    text = scaled_site_text(512).replace("telemetry: {", "telemetry: {interval_seconds: 3600, ")
    layout = Layout(parse_site(text, "an array"))
    outputs = lived_in(layout)
    values = _values(layout, outputs)
    peers: dict[str, Receiver] = {}
    async with running_broker(BrokerKind.MOSQUITTO) as broker:
        with _debian(broker, values) as (child, port):
            peers["prometheus-mqtt-exporter"] = await _exporter(
                broker, child, port, values, options.rounds, lambda name: name
            )
        with _pypi(broker) as (child, port):
            peers["mqtt-exporter"] = await _exporter(
                broker, child, port, values, options.rounds, lambda name: f"mqtt_{name}"
            )
        with _telegraf(broker) as (child, port):
            peers["telegraf"] = await _exporter(
                broker, child, port, values, options.rounds, lambda name: f"mqtt_consumer_{name}"
            )
        for codec in Codec:
            with _twin(broker, text) as (child, port):
                rounds = options.rounds * FRAMES_A_ROUND
                peers[f"twin, {codec}"] = await _aggregator(
                    broker, child, port, layout, outputs, codec, rounds
                )
    exposition = measure_exposition(layout, Budget(1.0))
    own = peers[f"twin, {Codec.CBOR}"]
    return {
        "gpus": layout.site.gpus,
        "fields": len(next(iter(values.values()))),
        "peers": {name: asdict(peer) for name, peer in peers.items()},
        "ratios_to_twin_cbor": {
            name: {
                "sample": peer.us_per_sample / own.us_per_sample,
                "series": peer.us_per_series / own.us_per_series,
            }
            for name, peer in peers.items()
        },
        "prometheus_client": {
            way: {"us_per_series": cost, "ratio": cost / exposition.ours}
            for way, cost in exposition.us_per_series.items()
            if way in {OURS, COLLECTOR, GAUGES}
        },
    }


def _values(layout: Layout, outputs: Outputs) -> Values:
    """Return the values of all GPUs, as a frame carries them."""
    columns = {s.name: outputs["gpu"][s.name] for s in layout.reported["gpu"] if s.on_wire}
    return {
        f"{layout.unit_name(UnitKind.RACK, rack)}-gpu{gpu:02d}": {
            signal.name: round(float(columns[signal.name][rack, gpu]), signal.decimals)
            for signal in layout.reported["gpu"]
            if signal.on_wire
        }
        for rack in range(layout.site.racks)
        for gpu in range(layout.per_unit(GPU))
    }


# -- who is measured --------------------------------------------------------------


@contextmanager
def _debian(broker: RunningBroker, values: Values) -> Iterator[tuple[Child, int]]:
    """Run Debian's exporter, with every signal in its list of metrics and as it ships else."""
    program = find_program("prometheus-mqtt-exporter")
    if program is None:
        raise ConfigError(
            "prometheus-mqtt-exporter is not installed; on Debian: "
            "apt install --no-install-recommends prometheus-mqtt-exporter"
        )
    signals = next(iter(values.values()))
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        # YAML is a superset of JSON.
        config.write_text(
            json.dumps(
                {
                    "mqtt": {
                        "server": f"tcp://127.0.0.1:{broker.url.port}",
                        "topic_path": f"{PREFIX}+",
                        "qos": 0,
                    },
                    "metrics": [
                        {"prom_name": name, "mqtt_name": name, "type": "gauge", "help": name}
                        for name in signals
                    ],
                }
            ),
            encoding="utf-8",
        )
        listen = ["-listen-address", "127.0.0.1", "-listen-port", str(port)]
        command = [program, "-config", str(config), "-log-level", "error", *listen]
        with started(command, "prometheus-mqtt-exporter") as child:
            yield child, port


@contextmanager
def _pypi(broker: RunningBroker) -> Iterator[tuple[Child, int]]:
    """Run PyPI's exporter in a fresh environment, with its defaults but for addresses and logs."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "bin", "python"))
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYPI]
        if subprocess.run(install, check=False).returncode:  # noqa: S603 - our own command line
            raise ServiceError(f"{PYPI} could not be installed from PyPI; pip says why above")
        settings = {
            "MQTT_PORT": str(broker.url.port),
            "MQTT_TOPIC": f"{PREFIX}+",
            "PROMETHEUS_ADDRESS": "127.0.0.1",
            "PROMETHEUS_PORT": str(port),
            "LOG_LEVEL": "ERROR",
        }
        environment = {"PATH": os.environ.get("PATH", ""), **settings}
        with started([python, "-m", "mqtt_exporter"], "mqtt-exporter", environment) as child:
            yield child, port


@contextmanager
def _telegraf(broker: RunningBroker) -> Iterator[tuple[Child, int]]:
    """Run Telegraf's agent with its defaults but for addresses, logs and a flush each second."""
    go = find_program("go")
    if go is None:
        raise ConfigError("go is not installed; scripts/test --full gets it, or see https://go.dev")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder, "telegraf"))
        build = [go, "build", "-mod=readonly", "-o", program, "."]
        if subprocess.run(build, cwd=Path(__file__).with_name("telegraf"), check=False).returncode:  # noqa: S603 - our own command line
            raise ServiceError("Telegraf could not be built; Go says why above")
        config = Path(folder, "telegraf.conf")
        config.write_text(
            _TELEGRAF.format(broker=broker.url.port, topics=f"{PREFIX}+", port=port),
            encoding="utf-8",
        )
        with started([program, str(config)], "telegraf") as child:
            yield child, port


@contextmanager
def _twin(broker: RunningBroker, site: str) -> Iterator[tuple[Child, int]]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.yaml")
        path.write_text(site, encoding="utf-8")
        command = [
            *(sys.executable, "-m", "twin", "aggregate", "--site", str(path)),
            *("--broker", str(broker.url), "--port", str(port), "--log-level", "error"),
        ]
        with started(command, "twin aggregate") as child:
            yield child, port


# -- how ----------------------------------------------------------------------------


async def _exporter(
    broker: RunningBroker,
    child: Child,
    port: int,
    values: Values,
    rounds: int,
    metric: Callable[[str], str],
) -> Receiver:
    """Send every GPU's values as one object, again and again, and scrape."""
    messages = [
        (f"{PREFIX}{device}", json.dumps(signals).encode()) for device, signals in values.items()
    ]

    async def send(bus: Bus, rounds: int) -> None:
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        for _ in range(rounds):
            for topic, payload in messages:
                await bus.publish(topic, payload)
                sent += 1
                await asyncio.sleep(began + sent / PACE - loop.time())

    url = f"http://127.0.0.1:{port}/metrics"
    samples = sum(map(len, values.values()))
    peer = await measure_receiver(
        broker.url, child, url, send, Sent(rounds, len(messages) * rounds, samples * rounds)
    )
    expected = sorted(
        (metric(name), device, value)
        for device, signals in values.items()
        for name, value in signals.items()
    )
    if sorted(await asyncio.to_thread(_found, url, {name for name, _, _ in expected})) != expected:
        raise ServiceError(f"{child.name} does not show the values that it was sent")
    return peer


async def _aggregator(
    broker: RunningBroker,
    child: Child,
    port: int,
    layout: Layout,
    outputs: Outputs,
    codec: Codec,
    rounds: int,
) -> Receiver:
    """Send the frames of all racks again and again, each with a number of its own, and scrape."""
    encoder, topics = Encoder(layout, UnitKind.RACK, codec), Topics(layout.site.name)
    encoder.load(outputs)
    racks = range(layout.site.racks)
    names = [topics.frame(UnitKind.RACK, layout.unit_name(UnitKind.RACK, rack)) for rack in racks]
    sent = 0

    async def send(bus: Bus, rounds: int) -> None:
        nonlocal sent
        for _ in range(rounds):
            sent += 1
            for rack in racks:
                await bus.publish(names[rack], encoder.encode(rack, float(sent), sent))
            await asyncio.sleep(len(racks) / PACE)

    url = f"http://127.0.0.1:{port}/arrays/a001/metrics"
    samples = (
        rounds
        * layout.site.racks
        * sum(
            layout.per_unit(device) * sum(signal.on_wire for signal in layout.reported[device.name])
            for device in layout.devices_of(UnitKind.RACK)
        )
    )
    what = Sent(rounds, rounds * len(racks), samples)
    peer = await measure_receiver(broker.url, child, url, send, what)
    own = await read_own(f"http://127.0.0.1:{port}/metrics")
    taken = sum(own[FRAMES_INGESTED.name].values())
    lost = sum(own.get(FRAMES_LOST.name, {}).values())
    if lost or taken < what.messages:
        raise ServiceError(f"the twin took over {taken:g} frames and lost {lost:g}")
    return peer


def _found(url: str, names: set[str]) -> list[tuple[str, str, float]]:
    """Return name, device and value of the samples with these names on a page."""
    return [
        (
            sample.name,
            sample.labels.get("topic", "").rpartition("/")[2].rpartition("_")[2],
            sample.value,
        )
        for family in text_string_to_metric_families(read_page(url))
        for sample in family.samples
        if sample.name in names
    ]


def _table(figures: Mapping[str, Any]) -> str:
    ratios = figures["ratios_to_twin_cbor"]
    head = ("", "us/message", "us/sample", "ratio", "us/series", "ratio", "MiB")
    text = ["{:28} {:>10} {:>9} {:>6} {:>9} {:>6} {:>5}".format(*head)]
    text += [
        f"{name:28} {peer['us_per_message']:10.0f} {peer['us_per_sample']:9.3f} "
        f"{ratios[name]['sample']:5.0f}x {peer['us_per_series']:9.3f} "
        f"{ratios[name]['series']:5.0f}x {peer['rss_mib']:5}"
        for name, peer in figures["peers"].items()
    ]
    text += ["", "exposition alone, in one process:"]
    text += [
        f"{way:48} {cost['us_per_series']:9.3f} {cost['ratio']:5.0f}x"
        for way, cost in figures["prometheus_client"].items()
    ]
    return "\n".join(text)


if __name__ == "__main__":
    main()

"""The pods of the chart as processes: their arguments, their environment, their host names."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Mosquitto
    from tests.integration.helm.conftest import Object, Rendered

pytestmark = [pytest.mark.integration, pytest.mark.full]

READY_SECONDS = 120.0
NAMED = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--uts", "sh", "-c"]
"""Runs a program under a host name of its own, which is its first argument."""
DEPLOYMENTS = {
    "whole": "emulator.shards=1",
    "sharded": "emulator.shards=2,facility.enabled=true,aggregator.shards=2",
}
"""Values to try, by a name for them."""


class Pods:
    """The pods of a chart, each a process of this machine.

    Attributes:
        addresses: where each aggregator listens, by the pod's name.
    """

    def __init__(self, broker: str, folder: Path, servers: ExitStack) -> None:
        self.addresses: dict[str, str] = {}
        self._broker = broker
        self._folder = folder
        self._servers = servers

    def start(self, workload: Object) -> None:
        """Start all pods of a StatefulSet."""
        container = workload["spec"]["template"]["spec"]["containers"][0]
        for ordinal in range(workload["spec"]["replicas"]):
            name = f"{workload['metadata']['name']}-{ordinal}"
            (self._folder / name).mkdir()
            arguments = [self._local(name, argument) for argument in container["args"]]
            environment = {e["name"]: e["value"] for e in container["env"] if "value" in e}
            self._run(name, arguments, environment | {"TWIN_BROKER": self._broker})

    def _local(self, name: str, argument: str) -> str:
        """Return an argument with what is the pod's own replaced by what this machine has."""
        if argument.startswith("--port="):
            with socket.create_server(("127.0.0.1", 0)) as server:
                port = server.getsockname()[1]
            self.addresses[name] = f"http://127.0.0.1:{port}"
            return f"--port={port}"
        if argument == "--host=0.0.0.0":
            return "--host=127.0.0.1"
        return argument.replace("$(POD_NAME)", name).replace(
            "/var/lib/twin", str(self._folder / name)
        )

    def _run(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        command = [*NAMED, 'hostname "$0" && exec "$@"', name, sys.executable, "-m", "twin"]
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *arguments],
                env=os.environ | environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

        def stop() -> None:
            process.terminate()
            process.wait()

        self._servers.callback(stop)


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_site_comes_up(
    render: Callable[..., Rendered],
    mosquitto: Mosquitto,
    servers: ExitStack,
    eventually: Callable[..., Any],
    tmp_path: Path,
    deployment: str,
) -> None:
    """With the chart's own command lines every pod gets ready, and each array has one pod."""
    pods = Pods(str(mosquitto.url), tmp_path, servers)
    for workload in render("--set", DEPLOYMENTS[deployment]).of("StatefulSet"):
        pods.start(workload)

    def ready() -> bool:
        try:
            return all(
                httpx.get(f"{url}/readyz", timeout=5).status_code == httpx.codes.OK
                for url in pods.addresses.values()
            )
        except httpx.TransportError:
            return False

    eventually(ready, READY_SECONDS)
    arrays: list[str] = []
    for url in pods.addresses.values():
        found = {
            group["labels"]["__metrics_path__"]: target.partition(".")[0]
            for group in httpx.get(f"{url}/sd").json()
            for target in group["targets"]
            if group["labels"]["__metrics_path__"] != "/metrics"
        }
        arrays = sorted(found)
        for path, pod in found.items():
            page = httpx.get(f"{pods.addresses[pod]}{path}", timeout=30)
            assert "DCGM_FI_DEV_POWER_USAGE{" in page.text
    assert arrays == ["/arrays/a001/metrics", "/arrays/a002/metrics"]

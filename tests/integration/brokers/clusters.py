"""Clusters of three brokers on this machine: RabbitMQ with its MQTT plugin, NATS with its gateway.

Every node has ports of 127.0.0.1 and a folder of its own. A cluster takes seconds to form, so
it is shared; whoever kills a node starts it again in the end.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import subprocess
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

from tests.integration.ports import free_ports
from twin.bench.process import resident_bytes
from twin.bus import BrokerUrl, connect
from twin.errors import BusError

NODES = 3
NATS = os.environ.get("TWIN_NATS_SERVER", "/usr/sbin/nats-server")
"""Another version can be named, to see what it does better."""
READY_SECONDS = 300.0
"""Three Erlang systems on two busy cores take their time."""
POLL_SECONDS = 0.1
PROBE_SECONDS = 5.0
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
"""Those in /usr/sbin would become the user rabbitmq first and use the system's folders."""


class ClusterError(Exception):
    """A cluster could not be started, or one of its nodes ended by itself."""


def version_in(text: str) -> tuple[int, int]:
    """Return the first two numbers of the version that ``text`` names."""
    found = re.search(r"(\d+)\.(\d+)", text)
    assert found is not None, text
    return int(found[1]), int(found[2])


def _session(process: Path) -> int:
    """Return the session of a process in /proc; 0 when it has just ended."""
    with suppress(OSError):
        # After the name in parentheses: state, parent, group, session.
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    return 0


def _memory(pid: int) -> int:
    """Return the resident set of a process; 0 when it has just ended."""
    try:
        return resident_bytes(pid)
    except (OSError, StopIteration):
        return 0


class Node:
    """One broker of a cluster.

    Attributes:
        name: of the node in its cluster.
        port: where it takes MQTT.
        folder: its files.
    """

    def __init__(self, name: str, port: int, folder: Path) -> None:
        self.name = name
        self.port = port
        self.folder = folder
        self.command: list[str] = []
        self.environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    @property
    def url(self) -> BrokerUrl:
        """Its address."""
        return BrokerUrl("127.0.0.1", self.port)

    @property
    def pid(self) -> int:
        """The broker's process: RabbitMQ's is a grandchild of the script that starts it.

        Raises:
            ClusterError: it is not running.
        """
        if self._process is None:
            raise ClusterError(f"{self.name} is not running")
        own = self._process.pid
        found = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _session(path) == own]
        return max(found, key=_memory, default=own)

    def start(self) -> None:
        """Start it; :meth:`Cluster.wait` waits until it answers."""
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=os.environ | self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        """Send a signal to all its processes."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it without giving it time to say anything; does nothing when it is not running."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def check(self) -> None:
        """Raise :class:`ClusterError` if it has ended by itself."""
        if self._process is None or self._process.poll() is not None:
            raise ClusterError(f"{self.name} ended:\n{self.output()}")

    def output(self) -> str:
        """Return the end of what it said."""
        return (self.folder / "output.log").read_text(errors="replace")[-3000:]


class Cluster:
    """Three nodes of one kind of broker.

    Attributes:
        kind: name of the broker.
        nodes: its nodes.
        version: of the broker that is installed, two numbers.
    """

    kind: str
    version: tuple[int, int]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[Node] = []

    @property
    def url(self) -> BrokerUrl:
        """Address of all nodes, the first one first."""
        return self.url_from(0)

    def url_from(self, first: int) -> BrokerUrl:
        """Return the address of all nodes, begun with another one."""
        turned = [node.url for node in self.nodes[first:] + self.nodes[:first]]
        return replace(turned[0], others=tuple(turned[1:]))

    def start(self) -> None:
        """Start all nodes and wait until what is published on one arrives on every other."""
        for node in self.nodes:
            node.start()
        self.wait()

    def wait(self, count: int = NODES) -> None:
        """Wait until each of the first ``count`` nodes passes on what the others publish."""
        deadline = time.monotonic() + READY_SECONDS
        while asyncio.run(self._missing(self.nodes[:count])):
            for node in self.nodes[:count]:
                node.check()
            if time.monotonic() > deadline:
                said = "\n".join(f"{node.name}:\n{node.output()}" for node in self.nodes[:count])
                raise ClusterError(f"{self.kind} formed no cluster; its nodes said\n{said}")
            time.sleep(POLL_SECONDS)

    def restart(self, node: Node) -> None:
        """Start a node again, whether it was killed or not, and wait until the cluster is whole."""
        node.kill()
        node.start()
        self.wait()

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.kill()

    @staticmethod
    async def _missing(nodes: list[Node]) -> bool:
        """Return whether something published on one node does not arrive on another."""
        try:
            async with AsyncExitStack() as stack:
                buses = [
                    await stack.enter_async_context(connect(node.url, client_id=f"probe-{i}"))
                    for i, node in enumerate(nodes)
                ]
                for bus in buses:
                    await bus.subscribe("probe/+", qos=1)
                async with asyncio.timeout(PROBE_SECONDS):
                    for i, bus in enumerate(buses):
                        await bus.publish(f"probe/{i}", b"", qos=1)
                    for bus in buses:
                        heard: set[str] = set()
                        async for message in bus.messages():
                            heard.add(message.topic)
                            if len(heard) == len(buses):
                                break
        except (BusError, TimeoutError):
            return True
        return False


class RabbitMq(Cluster):
    """RabbitMQ as Debian ships it, with its MQTT plugin."""

    kind = "rabbitmq"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        found = next(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"), None)
        if found is None:
            raise ClusterError(
                "the integration tests need RabbitMQ; install the package rabbitmq-server"
            )
        self.version = version_in(found.name)
        self._epmd = free_ports(1)[0]
        self._names: subprocess.Popen[bytes] | None = None
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        (folder / "plugins").write_text("[rabbitmq_mqtt].\n")
        for index in range(NODES):
            self.nodes.append(self._node(index))

    def _node(self, index: int) -> Node:
        amqp, mqtt, distribution = free_ports(3)
        node = Node(f"r{index}@localhost", mqtt, self.folder / f"r{index}")
        peers = (
            f"cluster_formation.classic_config.nodes.{i + 1} = r{i}@localhost" for i in range(NODES)
        )
        (node.folder / "rabbitmq.conf").write_text(
            "\n".join(
                [
                    f"listeners.tcp.1 = 127.0.0.1:{amqp}",
                    f"mqtt.listeners.tcp.1 = 127.0.0.1:{mqtt}",
                    *self._anonymous(),
                    "cluster_formation.peer_discovery_backend = classic_config",
                    *peers,
                    "log.console = true",
                    "log.console.level = warning",
                    "log.file = false",
                    "",
                ]
            )
        )
        node.command = [RABBITMQ]
        node.environment = {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_FLAGS": "+S 1:1",
            "RABBITMQ_NODENAME": node.name,
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(node.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(node.folder),
            "RABBITMQ_CONFIG_FILE": str(node.folder / "rabbitmq.conf"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(node.folder / "generated"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_PID_FILE": str(node.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
        }
        return node

    def _anonymous(self) -> tuple[str, ...]:
        """Return the settings that let anybody in; 4.0 has others than 3."""
        if self.version < (4, 0):
            return ("mqtt.allow_anonymous = true",)
        return ("anonymous_login_user = guest", "anonymous_login_pass = guest")

    def start(self) -> None:
        """Start the name server of Erlang and the nodes."""
        self._names = subprocess.Popen(
            ["epmd", "-port", str(self._epmd), "-address", "127.0.0.1"], start_new_session=True
        )
        # One after another: of two nodes that begin at once, one is left out of the register
        # of client identifiers for good ("cluster_change_not_permitted") and takes nobody.
        for count in range(1, NODES + 1):
            self.nodes[count - 1].start()
            self.wait(count)
        if self.version < (3, 12):
            self._mirror()

    def _mirror(self) -> None:
        """Have the queue of every subscription on all nodes.

        A subscription of QoS 1 has a durable queue on the node of its client. When that node
        is lost, the others cut off whoever subscribes under the same name, until it is back.
        """
        node = self.nodes[0]
        policy = ["subscriptions", "^mqtt-subscription-", '{"ha-mode": "all"}']
        subprocess.run(
            [RABBITMQCTL, "-n", node.name, "set_policy", *policy, "--apply-to", "queues"],
            env=os.environ | node.environment,
            cwd=node.folder,
            capture_output=True,
            check=True,
        )

    def stop(self) -> None:
        """End the nodes, then the name server."""
        super().stop()
        if self._names is not None:
            self._names.kill()
            self._names.wait()


class Nats(Cluster):
    """NATS with its MQTT gateway, whose sessions and retained messages JetStream keeps."""

    kind = "nats"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if not Path(NATS).exists():
            raise ClusterError("NATS is not here; install the package nats-server")
        said = subprocess.run([NATS, "--version"], capture_output=True, text=True, check=True)
        self.version = version_in(said.stdout)
        ports = free_ports(3 * NODES)
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports[:NODES])
        for index in range(NODES):
            route, client, mqtt = ports[index::NODES]
            node = Node(f"n{index}", mqtt, folder / f"n{index}")
            (node.folder / "nats.conf").write_text(
                f"""
server_name: {node.name}
listen: "127.0.0.1:{client}"
max_payload: 1048576
jetstream: {{store_dir: "{node.folder}/store"}}
cluster: {{name: twin, listen: "127.0.0.1:{route}", routes: [{routes}]}}
mqtt: {{listen: "127.0.0.1:{mqtt}", stream_replicas: {NODES}}}
"""
            )
            node.command = [NATS, "-c", str(node.folder / "nats.conf")]
            self.nodes.append(node)


CLUSTERS: dict[str, type[Cluster]] = {kind.kind: kind for kind in (RabbitMq, Nats)}

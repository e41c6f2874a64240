"""Redfish over HTTPS: a whole twin in one process, read by the clients that people use."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import redfish
import sushy

from twin.aggregator import CertificateFiles, Token
from twin.compose.certificates import make_certificate
from twin.redfish import Destinations, Login, RedfishConfig, RedfishService
from twin.site import Layout, parse_site
from twin.stack.local import LocalConfig, LocalStack, local_stack
from twin.wire import Inject, Topics

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("redfish")]

USER, PASSWORD = "admin", "a-password-of-the-tests"
SITE = "name: small\nracks: 2\nracks_per_array: 2\nservers_per_rack: 2\n"
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.1


@pytest.fixture
def config(tmp_path: Path) -> RedfishConfig:
    """Return a service on free ports, with its certificate beside that of its CA."""
    made = make_certificate(["localhost", "127.0.0.1"])
    files = CertificateFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    files.certificate.write_bytes(made.chain)
    files.key.write_bytes(made.key)
    (tmp_path / "ca.pem").write_bytes(made.ca)
    return RedfishConfig(
        Layout(parse_site(SITE, "test")), Login(USER, Token(PASSWORD)), first_port=0, tls=files,
        silence=0.5,
    )  # fmt: skip


def ca_of(config: RedfishConfig) -> str:
    """Return the file of the CA that signed a service's certificate."""
    assert config.tls is not None
    return str(config.tls.certificate.with_name("ca.pem"))


@asynccontextmanager
async def running(config: RedfishConfig) -> AsyncIterator[tuple[LocalStack, RedfishService]]:
    """Run a twin until every BMC answers, and while the context is open."""
    whole = LocalConfig(config.layout, port=0, mqtt_port=0, redfish=config, interval=1.0)
    async with local_stack(whole) as stack:
        service = stack.redfish
        assert service is not None
        directory = service.core.directory
        await until(lambda: all(directory.view(bmc).answers for bmc in directory))
        yield stack, service


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is true, which a busy machine may take long for."""
    for _ in range(round(PATIENCE_SECONDS / POLL_SECONDS)):
        if true():
            return
        await asyncio.sleep(POLL_SECONDS)
    pytest.fail("it has not become true in time")


def url_of(service: RedfishService, name: str) -> str:
    """Return the address at which a BMC has a port of its own."""
    names = {service.core.directory.name(bmc): port for port, bmc in service.ports.items()}
    return f"https://127.0.0.1:{names[name]}"


def client(config: RedfishConfig, service: RedfishService) -> httpx.AsyncClient:
    """Return a client of the port of all BMCs that shows the login."""
    context = ssl.create_default_context(cafile=ca_of(config))
    return httpx.AsyncClient(base_url=service.url, auth=(USER, PASSWORD), verify=context,
                             timeout=PATIENCE_SECONDS)  # fmt: skip


async def test_sushy_reads_a_server(config: RedfishConfig) -> None:
    """The client of OpenStack Ironic logs in, and reads systems, processors and managers."""

    def read(url: str) -> None:
        session = sushy.auth.SessionAuth(USER, PASSWORD)
        root = sushy.Sushy(f"{url}/redfish/v1", auth=session, verify=ca_of(config))
        host, baseboard = root.get_system_collection().get_members()
        assert host.power_state is sushy.PowerState.ON
        assert host.status.health is sushy.Health.OK
        assert host.boot_progress.last_state is sushy.BootProgressStates.OS_RUNNING
        gpus = baseboard.processors.get_members()
        assert [gpu.identity for gpu in gpus][:2] == ["GPU_SXM_1", "GPU_SXM_2"]
        assert {gpu.processor_type for gpu in gpus} == {sushy.ProcessorType.GPU}
        assert len(gpus) == 8
        chassis = root.get_chassis_collection().get_members()
        assert chassis[0].chassis_type is sushy.ChassisType.RACK_MOUNT
        managers = root.get_manager_collection().get_members()
        assert [own.identity for own in managers] == ["BMC", "HGX_BMC_0"]
        session.close()

    async with running(config) as (_, service):
        await asyncio.to_thread(read, url_of(service, "r0002-n1-bmc"))


async def test_the_client_of_the_dmtf_reads_the_rest(config: RedfishConfig) -> None:
    """The DMTF's client opens a session and a basic login, and reads coolant units and PDUs."""

    def read(url: str, auth: str, path: str) -> dict[str, object]:
        bmc = redfish.redfish_client(
            base_url=url, username=USER, password=PASSWORD, cafile=ca_of(config)
        )
        bmc.login(auth=auth)
        answer = bmc.get(path)
        assert answer.status == 200
        missing = bmc.get(f"{path}/none")
        assert missing.status == 404
        assert "ResourceMissingAtURI" in missing.dict["error"]["code"]
        bmc.logout()
        found: dict[str, object] = answer.dict
        return found

    async with running(config) as (_, service):
        path = "/redfish/v1/ThermalEquipment/CDUs/1/Pumps/Pump1"
        pump = await asyncio.to_thread(read, url_of(service, "r0001-cdu"), "session", path)
        assert pump["PumpSpeedPercent"] == {"Reading": 60.0, "SpeedRPM": 3600.0}
        path = "/redfish/v1/PowerEquipment/RackPDUs/1/Mains/AC1"
        mains = await asyncio.to_thread(read, url_of(service, "r0001-pdu2"), "basic", path)
        assert mains["BreakerState"] == "Normal"


@pytest.fixture(scope="module")
def telegraf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program that reads a BMC by Telegraf's inputs.redfish."""
    go = shutil.which("go")
    if go is None:
        pytest.fail("this test builds Telegraf's plugin: run it by scripts/test, which gets Go")
    program = tmp_path_factory.mktemp("telegraf") / "reader"
    command = [go, "build", "-mod=readonly", "-o", str(program), "."]
    built = subprocess.run(
        command, cwd=Path(__file__).parent / "telegraf", capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return program


@pytest.mark.full
async def test_telegraf_reads_a_server(config: RedfishConfig, telegraf: Path) -> None:
    """Telegraf's inputs.redfish has temperatures, fans and supplies, with the chassis' own tags."""

    def read(url: str) -> list[dict[str, Any]]:
        command = [str(telegraf), url, USER, PASSWORD, "DGX", ca_of(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    async with running(config) as (_, service):
        metrics = await asyncio.to_thread(read, url_of(service, "r0001-n2-bmc"))
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for metric in metrics:
        assert metric["tags"]["chassis_chassistype"] == "RackMount"
        assert metric["tags"].get("health", "OK") == "OK"
        found.setdefault(metric["name"], {})[metric["tags"]["name"]] = metric["fields"]
    (total,) = found["redfish_power_powercontrol"].values()
    supplies = found["redfish_power_powersupplies"].values()
    assert len(supplies) == 4
    into = sum(own["power_input_watts"] for own in supplies)
    assert total["power_consumed_watts"] == pytest.approx(into, rel=0.05)
    assert 10 < found["redfish_thermal_temperatures"]["Inlet Temp"]["reading_celsius"] < 40
    assert all(own["reading_rpm"] > 0 for own in found["redfish_thermal_fans"].values())


async def test_host_names_the_bmc(config: RedfishConfig) -> None:
    """At the common port the header Host chooses the BMC; a foreign one is told where names are."""
    common = replace(config, first_port=None)
    async with running(common) as (_, service), client(common, service) as ask:
        for name in ("r0001-n2-bmc", "R0001-N2-BMC.example.org:9443"):
            answer = await ask.get("/redfish/v1/Systems/DGX", headers={"Host": name})
            assert answer.json()["HostName"] == "r0001-n2"
        foreign = await ask.get("/redfish/v1/", headers={"Host": "example.org"})
        assert foreign.status_code == 421
        (message,) = foreign.json()["error"]["@Message.ExtendedInfo"]
        assert "'/sd'" in message["Resolution"]
        listed = (await ask.get("/sd", headers={"Host": "x"})).json()
        assert listed[0]["labels"] == {"bmc": "r0001-n1-bmc", "kind": "server", "rack": "r0001"}
        assert len(listed) == len(service.core.directory) == 10
        assert (await ask.get("/healthz")).json() == {"status": "ok"}


async def test_answers_are_whole(config: RedfishConfig) -> None:
    """Every answer has OData-Version; HEAD has the length without the body; a long body is 413."""
    common = replace(config, first_port=None)
    async with running(common) as (_, service), client(common, service) as ask:
        host = {"Host": "r0001-n1-bmc"}
        root = await ask.get("/redfish/v1/", headers=host)
        assert root.headers["OData-Version"] == "4.0"
        head = await ask.head("/redfish/v1/", headers=host)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == root.headers["Content-Length"]
        sessions = "/redfish/v1/SessionService/Sessions"
        long = await ask.post(sessions, headers=host, content=b"x" * 100_000)
        assert long.status_code == 413
        assert long.json()["error"]["code"].endswith("PayloadTooLarge")
        metadata = await ask.get("/redfish/v1/$metadata", headers=host)
        assert metadata.headers["Content-Type"] == "application/xml"
        assert "ThermalSubsystem_v1.xml" in metadata.text


async def test_silent_bmc_says_nothing(config: RedfishConfig) -> None:
    """The connection to a BMC of a silent rack is held and then cut, without a byte."""
    async with running(config) as (stack, service):
        command = Inject(id="a", fault="gateway-silent", target="r0001", duration=1e6)
        topic = Topics(config.layout.site.name).command("inject")
        assert stack.emulator.core.on_message(topic, command.encode())
        directory = service.core.directory
        bmc = directory.find("r0001-n1-bmc")
        assert bmc is not None
        await until(lambda: not directory.view(bmc).answers)
        port = next(port for port, own in service.ports.items() if own == bmc)
        assert await asyncio.to_thread(_said, port) == b""


async def test_events_are_posted(config: RedfishConfig) -> None:
    """A destination gets a test event with its headers; one that hangs holds up nobody."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    hung: list[asyncio.StreamWriter] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST /hang"):
            hung.append(writer)
            return
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        heard.put_nowait(head + await reader.readexactly(size))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(collect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    allowed = replace(config, first_port=None, destinations=Destinations([f"127.0.0.1:{port}"]))
    async with server, running(allowed) as (_, service), client(allowed, service) as ask:
        host = {"Host": "r0001-n1-bmc"}
        base = "/redfish/v1/EventService"
        for path in ("hang", "events"):
            made = await ask.post(f"{base}/Subscriptions", headers=host, json={
                "Destination": f"http://127.0.0.1:{port}/{path}", "Protocol": "Redfish",
                "Context": "mine", "HttpHeaders": [{"X-Tenant": "twin"}],
            })  # fmt: skip
            assert made.status_code == 201, made.text
        action = f"{base}/Actions/EventService.SubmitTestEvent"
        wanted = {"MessageId": "ResourceEvent.1.3.ResourceChanged", "EventId": "77"}
        assert (await ask.post(action, headers=host, json=wanted)).status_code == 204
        async with asyncio.timeout(PATIENCE_SECONDS):
            got = await heard.get()
        assert b"x-tenant: twin" in got.lower()
        event = json.loads(got.partition(b"\r\n\r\n")[2])
        assert (event["Context"], event["Events"][0]["EventId"]) == ("mine", "77")
        deliveries = 'twin_redfish_deliveries_total{result="taken"} 1.0'
        await until(lambda: deliveries in service.core.own.render().decode())
        for writer in hung:
            writer.close()
            await writer.wait_closed()


def _said(port: int) -> bytes:
    """Return what a BMC says to a request for its root."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain) as tls,
    ):
        tls.sendall(b"GET /redfish/v1/ HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            return tls.recv(100)
        except (ssl.SSLError, ConnectionError):
            return b""

"""What the chart makes fits together: names, selectors, addresses, files, security."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
import yaml

from twin.bus import BrokerUrl
from twin.cli import app
from twin.site import load_site

if TYPE_CHECKING:
    from tests.integration.helm.conftest import Object, Rendered

pytestmark = [pytest.mark.integration, pytest.mark.full]

SHARDED = (
    "--set",
    "emulator.shards=3,facility.enabled=true,aggregator.shards=2,aggregator.replicas=2",
)
MONITORED = (
    "--set",
    (
        "monitoring.scrapeConfig.enabled=true,monitoring.rules.enabled=true,"
        "monitoring.dashboards.enabled=true,monitoring.labels.release=prometheus"
    ),
)


def environment(workload: Object) -> dict[str, str]:
    """Return the variables with a value that the first container has."""
    container = workload["spec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def test_restricted(example: Rendered) -> None:
    """Every pod meets the restricted pod security standard, writes nowhere and has no token."""
    for workload in example.workloads:
        spec = workload["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {*spec} & {"hostNetwork", "hostPID", "hostIPC"} == set()
        assert not any("hostPath" in volume for volume in spec["volumes"])
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert container["resources"]["limits"]["memory"]


def test_images_are_pinned(render: Callable[..., Rendered]) -> None:
    """An image has an exact tag, or the digest where one is given."""
    images = {
        container["image"]
        for workload in render().workloads
        for container in workload["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"datacenter-twin:0.1.0", "eclipse-mosquitto:2.0.22"}
    digest = f"sha256:{'0' * 64}"
    pinned = render("--set", f"image.digest={digest}").workloads[0]
    assert pinned["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f"@{digest}")


def test_everything_that_is_mounted_is_there(example: Rendered) -> None:
    """Each mount has its volume and each volume a mount."""
    for workload in example.workloads:
        spec = workload["spec"]["template"]["spec"]
        volumes = [volume["name"] for volume in spec["volumes"]]
        volumes += [
            claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())
        ]
        mounts = [mount["name"] for mount in spec["containers"][0]["volumeMounts"]]
        assert sorted(volumes) == sorted(mounts)


def test_selectors_find_their_pods(example: Rendered) -> None:
    """Services, budgets and policies select the pods of one workload and no other."""
    pods = {
        workload["metadata"]["name"]: workload["spec"]["template"]["metadata"]["labels"]
        for workload in example.workloads
    }
    selectors = {
        f"{thing['kind']} {thing['metadata']['name']}": selector
        for thing in example.objects
        for selector in (
            thing.get("spec", {}).get("podSelector", {}).get("matchLabels"),
            thing["spec"]["selector"].get("matchLabels", thing["spec"]["selector"])
            if thing["kind"] in {"Service", "PodDisruptionBudget", "StatefulSet", "Deployment"}
            else None,
        )
        if selector
    }
    assert selectors
    for name, selector in selectors.items():
        found = [pod for pod, labels in pods.items() if selector.items() <= labels.items()]
        assert found, name
        assert len({pod.removesuffix("-a").removesuffix("-b") for pod in found}) == 1, name


def test_options_exist(example: Rendered) -> None:
    """Every option that a pod is given is one of the twin's."""
    group = typer.main.get_command(app)
    commands: dict[str, Any] = getattr(group, "commands")  # noqa: B009 - typer types it as Command
    for arguments in example.arguments.values():
        known = {option for parameter in commands[arguments[0]].params for option in parameter.opts}
        used = {argument.partition("=")[0] for argument in arguments[1:]}
        assert used <= known


def test_shards(render: Callable[..., Rendered]) -> None:
    """Each pod takes its shard from its ordinal, and the power plant is one emulator of its own."""
    chart = render(*SHARDED)
    replicas = {thing["metadata"]["name"]: thing["spec"]["replicas"] for thing in chart.workloads}
    shard = {
        name: [argument for argument in arguments if argument.startswith("--shard")]
        for name, arguments in chart.arguments.items()
    }
    assert replicas == {
        "r-twin-emulator": 3,
        "r-twin-facility": 1,
        "r-twin-aggregator-a": 2,
        "r-twin-aggregator-b": 2,
        "r-twin-mosquitto": 1,
    }
    assert shard == {
        "r-twin-emulator": ["--shard=auto/3"],
        "r-twin-facility": ["--shard=facility"],
        "r-twin-aggregator-a": ["--shard=auto/2"],
        "r-twin-aggregator-b": ["--shard=auto/2"],
    }


def test_the_observer_is_one_pod_that_reaches_the_broker(render: Callable[..., Rendered]) -> None:
    """Where it is enabled it keeps its calibration, takes the setting, and listens nowhere."""
    assert "r-twin-shadow" not in render().arguments
    chart = render("--set", "shadow.enabled=true", "--set-json", "shadow.falseAlarms=0.5")
    assert chart.arguments["r-twin-shadow"] == [
        "shadow", "--false-alarms=0.5", "--state=/var/lib/twin",
    ]  # fmt: skip
    thing = chart.one("StatefulSet", "r-twin-shadow")
    assert thing["spec"]["replicas"] == 1
    assert [own["metadata"]["name"] for own in thing["spec"]["volumeClaimTemplates"]] == ["state"]
    assert environment(thing)["TWIN_BROKER"] == "mqtt://r-twin-mosquitto:1883"
    policy = chart.one("NetworkPolicy", "r-twin-shadow")["spec"]
    assert policy["ingress"] == []
    assert any(own["ports"] == [{"port": 1883, "protocol": "TCP"}] for own in policy["egress"])


BMCS = ("--set", "redfish.enabled=true,redfish.passwordSecret=bmc")


def test_the_bmcs_are_one_pod_behind_a_service(render: Callable[..., Rendered]) -> None:
    """Where they are enabled they are served over HTTPS to who may ask, and only read the bus."""
    assert "r-twin-redfish" not in render().arguments
    chart = render(*BMCS, "--set", "redfish.racks={r0001,r0002}")
    assert chart.arguments["r-twin-redfish"] == [
        "redfish", "--host=0.0.0.0", "--port=9443", "--user=admin",
        "--password-file=/run/secrets/twin/bmc/password", "--rack=r0001", "--rack=r0002",
    ]  # fmt: skip
    thing = chart.one("Deployment", "r-twin-redfish")
    assert thing["spec"]["replicas"] == 1
    (container,) = thing["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {
            "path": "/healthz", "port": "https", "scheme": "HTTPS",
        }  # fmt: skip
    assert environment(thing)["TWIN_BROKER"] == "mqtt://r-twin-mosquitto:1883"
    (port,) = chart.one("Service", "r-twin-redfish")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (443, "https")
    policy = chart.one("NetworkPolicy", "r-twin-redfish")["spec"]
    assert policy["ingress"] == [
        {"ports": [{"port": "https", "protocol": "TCP"}], "from": [{"podSelector": {}}]}
    ]
    broker = chart.one("NetworkPolicy", "r-twin-mosquitto")["spec"]["ingress"][0]["from"]
    parts = {own["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for own in broker}
    assert "redfish" in parts


def test_prometheus_scrapes_the_bmcs_process(render: Callable[..., Rendered], chart: Path) -> None:
    """It checks the certificate where there is one to check, and shows the token."""
    (open_one,) = render(*BMCS, *MONITORED).one("ServiceMonitor", "r-twin-redfish")["spec"][
        "endpoints"
    ]
    assert open_one["tlsConfig"] == {"insecureSkipVerify": True}
    assert "authorization" not in open_one
    secure = render("--values", str(chart / "examples/secure.yaml"))
    (endpoint,) = secure.one("ServiceMonitor", "r-twin-redfish")["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "twin-token", "key": "token"}
    assert endpoint["tlsConfig"] == {
        "ca": {"secret": {"name": "twin-redfish-tls", "key": "ca.crt"}},
        "serverName": "r-twin-redfish.monitoring.svc",
    }
    peers = secure.one("NetworkPolicy", "r-twin-redfish")["spec"]["ingress"][0]["from"]
    assert [own["namespaceSelector"]["matchLabels"] for own in peers] == [
        {"kubernetes.io/metadata.name": name} for name in ("provisioning", "monitoring")
    ]


def test_one_emulator_has_the_whole_site(render: Callable[..., Rendered]) -> None:
    """Without shards nobody is told of any."""
    assert not [
        argument
        for arguments in render().arguments.values()
        for argument in arguments
        if argument.startswith("--shard")
    ]


@pytest.mark.parametrize("arguments", [(), SHARDED], ids=["whole", "sharded"])
def test_prometheus_is_told_names_of_pods(
    render: Callable[..., Rendered], arguments: tuple[str, ...]
) -> None:
    """What an aggregator advertises is the name of the pod that has the shard."""
    chart = render(*arguments)
    for thing in chart.of("StatefulSet"):
        advertised = [
            argument.partition("=")[2]
            for argument in chart.arguments[thing["metadata"]["name"]]
            if argument.startswith("--advertise=")
        ]
        if "aggregator" not in thing["metadata"]["name"]:
            assert advertised == []
            continue
        service = chart.one("Service", thing["spec"]["serviceName"])["spec"]
        assert service["clusterIP"] == "None"
        assert service["publishNotReadyAddresses"] is True
        (port,) = (entry["port"] for entry in service["ports"])
        for ordinal in range(thing["spec"]["replicas"]):
            name = f"{thing['metadata']['name']}-{ordinal}.{thing['spec']['serviceName']}"
            assert advertised[0].format(shard=ordinal) == f"{name}.monitoring.svc:{port}"


def test_scrape_configs(render: Callable[..., Rendered]) -> None:
    """Each of a pair is discovered by itself, and series keep their exporters' job and instance."""
    chart = render(*SHARDED, *MONITORED)
    found = {}
    for thing in chart.of("ScrapeConfig"):
        spec, labels = thing["spec"], thing["metadata"]["labels"]
        assert spec["honorLabels"] is True
        assert labels["release"] == "prometheus"
        (discovery,), (keep, spread) = spec["httpSDConfigs"], spec["relabelings"]
        assert spread["targetLabel"] == "__tmp_hash"
        host = discovery["url"].removeprefix("http://").removesuffix(":9400/sd")
        service, _, rest = host.partition(".")
        assert rest == "monitoring.svc"
        chart.one("Service", service)
        found[labels["datacenter-twin/replica"], keep["regex"]] = service
    assert found == {
        (replica, job): f"r-twin-aggregator-{replica}"
        for replica in "ab"
        for job in ("twin", "twin-array")
    }


def test_secrets_by_reference(render: Callable[..., Rendered], chart: Path, tmp_path: Path) -> None:
    """Users, CA, token and certificate come from Secrets, and the twin can read the addresses."""
    secure = render("--values", str(chart / "examples/secure.yaml"))
    assert not secure.of("Secret")
    password = tmp_path / "password"
    password.write_text("secret\n", encoding="utf-8")
    for thing in (*secure.of("StatefulSet"), *secure.of("Deployment")):
        text = environment(thing)["TWIN_BROKER"]
        url = BrokerUrl.parse(text.replace("/run/secrets/twin/broker/password", str(password)))
        assert [node.host for node in url.nodes] == [f"broker-{i}.example.org" for i in range(3)]
        for node in url.nodes:
            assert (node.port, node.tls, node.password) == (8883, True, "secret")
            assert node.ca_file == Path("/run/secrets/twin/ca/ca.crt")
            assert node.username in thing["metadata"]["name"]
    for thing in secure.of("ScrapeConfig"):
        for access in (thing["spec"], thing["spec"]["httpSDConfigs"][0]):
            assert access["authorization"]["credentials"] == {"name": "twin-token", "key": "token"}
            assert access["tlsConfig"]["ca"]["secret"] == {"name": "twin-tls", "key": "ca.crt"}
        assert thing["spec"]["httpSDConfigs"][0]["url"].startswith("https://")
        assert thing["spec"]["scheme"] == "HTTPS"


def test_policies_open_the_brokers_ports(render: Callable[..., Rendered]) -> None:
    """Pods may go to the ports of the broker, whether named or MQTT's own, and to look up names."""
    arguments = (
        "--set",
        (
            "mosquitto.enabled=false,"
            "broker.urls={mqtt://a,mqtts://b,mqtt://c:2883/,mqtt://[2001:db8::1]:3883}"
        ),
    )
    for policy in render(*arguments).of("NetworkPolicy"):
        names, broker = policy["spec"]["egress"]
        assert {entry["port"] for entry in names["ports"]} == {53}
        assert [entry["port"] for entry in broker["ports"]] == [1883, 8883, 2883, 3883]


def test_rules_and_dashboards_are_the_files(
    render: Callable[..., Rendered], chart: Path, tmp_path: Path
) -> None:
    """Rules and dashboards are the repository's files, and promtool takes the rules."""
    made, root = render(*MONITORED), chart.parents[2]
    rules = {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (root / "deploy/prometheus/rules").glob("*.yml")
    }
    objects = {
        thing["metadata"]["name"].removeprefix("r-twin-"): thing["spec"]
        for thing in made.of("PrometheusRule")
    }
    assert objects == rules
    boards = {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in (root / "dashboards").glob("*.json")
    }
    assert boards == {
        name: json.loads(text)
        for thing in made.of("ConfigMap")
        if "grafana_dashboard" in thing["metadata"]["labels"]
        for name, text in thing["data"].items()
    }
    for name, spec in objects.items():
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    subprocess.run(["promtool", "check", "rules", *tmp_path.glob("*.yml")], check=True)


def test_rules_left_out(render: Callable[..., Rendered]) -> None:
    """A file of rules can be left out by its name."""
    made = render(*MONITORED, "--set", "monitoring.rules.exclude={storage,grid}")
    names = {thing["metadata"]["name"] for thing in made.of("PrometheusRule")}
    assert "r-twin-gpu" in names
    assert not names & {"r-twin-storage", "r-twin-grid"}


def test_sites_exist(example: Rendered, tmp_path: Path) -> None:
    """Every site is a preset, or the definition that is mounted, which can be loaded."""
    for thing in example.of("StatefulSet"):
        name = environment(thing)["TWIN_SITE"]
        if name == "/etc/twin/site/site.yaml":
            text = example.one("ConfigMap", "r-twin-site")["data"]["site.yaml"]
            (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
            name = str(tmp_path / "site.yaml")
        assert load_site(name).name

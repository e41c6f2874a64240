"""What dashboards join with: kube-state-metrics and Slurm's exporters agree with the plant."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.aggregator.twinning import EPOCH, TwinPair
from twin.catalog import MetricType
from twin.catalog.schedulers import KUBE_STATE, SLINKY, SLURM, SOPERATOR, VPENSO, StateExporter
from twin.plant.scheduler import ENDED, BatchState, Scheduler
from twin.site.job_names import job_name

Found = dict[str, list[tuple[dict[str, str], float]]]


def plant_of(twin: TwinPair) -> Scheduler:
    """Return the scheduler in the plant."""
    batch = twin.emulator.plant.halls.batch
    assert batch is not None
    return batch.scheduler


def found(twin: TwinPair, *names: str) -> Found:
    """Return labels and value of every series of these metrics."""
    series: Found = {name: [] for name in names}
    for name, labels, value in twin.scrape(*names):
        series[name].append((labels, value))
    return series


def host(server: int) -> str:
    """Return the name of a server of the small site."""
    return f"r{server // 2 + 1:04d}-n{server % 2 + 1}"


def times_are_the_plants(twin: TwinPair) -> None:
    """Check the times of all pods, and what of them is ready, against the plant's table."""
    table = plant_of(twin).table
    rows = {
        job_name("small", "ab"[int(table.kind[row])], int(number), pods=True): row
        for row, number in enumerate(table.number)
        if table.state[row] != BatchState.FREE
    }
    columns = {
        "kube_pod_created": table.made,
        "kube_pod_start_time": table.start,
        "kube_pod_status_scheduled_time": table.start,
        "kube_pod_container_state_started": table.began,
        "kube_pod_status_container_ready_time": table.began,
        "kube_pod_status_unscheduled_time": table.made,
    }
    series = found(twin, "kube_pod_owner", "kube_pod_container_status_ready", *columns)
    jobs = {labels["pod"]: rows[labels["owner_name"]] for labels, _ in series["kube_pod_owner"]}
    waiting = {pod for pod, row in jobs.items() if table.state[row] == BatchState.PENDING}
    works = {BatchState.RUNNING, BatchState.STALLED}
    working = {pod for pod, row in jobs.items() if BatchState(int(table.state[row])) in works}
    shown = {
        "kube_pod_created": jobs.keys(),
        "kube_pod_start_time": jobs.keys() - waiting,
        "kube_pod_status_scheduled_time": jobs.keys() - waiting,
        "kube_pod_container_state_started": working,
        "kube_pod_status_container_ready_time": working,
        "kube_pod_status_unscheduled_time": waiting,
    }
    for name, column in columns.items():
        own = {labels["pod"]: value for labels, value in series[name]}
        assert own.keys() == shown[name], name
        for pod, value in own.items():
            assert value == int(EPOCH + column[jobs[pod]]), (name, pod)
    ready = {labels["pod"] for labels, v in series["kube_pod_container_status_ready"] if v == 1}
    assert ready == working


def test_pods_and_their_gpus_are_those_of_the_plant_at_every_instant() -> None:
    """Each second pods, their phases, nodes and GPU requests are what the plant's jobs hold."""
    twin = TwinPair("kubernetes")
    for _ in range(60):
        twin.step()
        own = plant_of(twin)
        table = own.table
        series = found(
            twin, "kube_pod_info", "kube_pod_status_phase", "kube_job_status_active",
            "kube_pod_container_resource_requests", "DCGM_FI_DEV_POWER_USAGE",
        )  # fmt: skip
        held = Counter(
            (host(server), int(table.number[row]))
            for server, rows in enumerate(own.owner.tolist())
            for row in rows
            if row >= 0
        )
        requested = {
            (labels["node"], labels["pod"]): value
            for labels, value in series["kube_pod_container_resource_requests"]
            if labels["resource"] == "nvidia_com_gpu" and labels["node"]
        }
        assert sorted(requested.values()) == sorted(map(float, held.values()))
        assert Counter(node for node, _ in requested) == Counter(node for node, _ in held)
        # The pods on GPU series are those that kube-state-metrics has on the same node.
        labelled = Counter(
            (labels["Hostname"], labels["exported_pod"])
            for labels, _ in series["DCGM_FI_DEV_POWER_USAGE"]
            if "exported_pod" in labels
        )
        assert dict(labelled) == requested
        phases = {
            labels["pod"]: labels["phase"]
            for labels, value in series["kube_pod_status_phase"]
            if value == 1
        }
        assert phases.keys() == {labels["pod"] for labels, _ in series["kube_pod_info"]}
        running = sum(gpus for (_, pod), gpus in requested.items() if phases[pod] == "Running")
        states = [BatchState(int(state)) for state in table.state]
        assert running == sum(
            int(gpus)
            for gpus, state in zip(table.gpus, states, strict=True)
            if state in {BatchState.RUNNING, BatchState.STALLED, BatchState.BACKOFF}
        )
        times_are_the_plants(twin)
        active = {labels["job_name"]: value for labels, value in series["kube_job_status_active"]}
        assert len(active) == sum(state is not BatchState.FREE for state in states)
        assert sum(value == 0 for value in active.values()) == int(table.among(*ENDED).sum())
    assert twin.refused() == 0


def test_slurm_counts_are_those_of_the_plant_at_every_instant() -> None:
    """Each second jobs by state, GPUs and nodes are counted as the plant has them."""
    twin = TwinPair("slurm")
    for _ in range(60):
        twin.step()
        own = plant_of(twin)
        series = found(
            twin, "slurm_jobs", "slurm_jobs_running", "slurm_jobs_pending", "slurm_jobs_gpus_alloc",
            "slurm_nodes_idle", "slurm_nodes_mixed", "slurm_nodes_alloc", "slurm_node_gpus_alloc",
            "slurm_node_job", "slurm_job_info", "slurm_user_jobs_gpus_alloc",
            "slurm_account_jobs_running", "slurm_partition_jobs_pending",
        )  # fmt: skip
        table, held = own.table, own.owner >= 0
        value = {name: rows[0][1] for name, rows in series.items() if rows}
        assert value["slurm_jobs"] == int((table.state != BatchState.FREE).sum())
        assert value["slurm_jobs_running"] == int(own.holding.sum())
        assert value["slurm_jobs_pending"] == int((table.state == BatchState.PENDING).sum())
        assert value["slurm_partition_jobs_pending"] == value["slurm_jobs_pending"]
        assert value["slurm_jobs_gpus_alloc"] == int(held.sum())
        assert sum(v for _, v in series["slurm_user_jobs_gpus_alloc"]) == int(held.sum())
        full, some = held.all(axis=1), held.any(axis=1)
        assert value["slurm_nodes_idle"] == int((~some).sum())
        assert value["slurm_nodes_mixed"] == int((some & ~full).sum())
        assert value["slurm_nodes_alloc"] == int(full.sum())
        by_node = {labels["node"]: v for labels, v in series["slurm_node_gpus_alloc"]}
        assert by_node == {host(n): float(row.sum()) for n, row in enumerate(held)}
        joined = {(labels["job_id"], labels["node_name"]) for labels, _ in series["slurm_node_job"]}
        assert joined == {
            (str(table.number[row]), host(server))
            for server, rows in enumerate(own.owner.tolist())
            for row in rows
            if row >= 0
        }
        states = Counter(labels["job_state"] for labels, _ in series["slurm_job_info"])
        assert states["RUNNING"] == value["slurm_jobs_running"]
    assert twin.refused() == 0


def labels_where(rows: list[tuple[dict[str, str], float]], **wanted: str) -> dict[str, str]:
    """Return the labels of the only series that has these and is 1."""
    fits = [own for own, value in rows if value == 1 and wanted.items() <= own.items()]
    assert len(fits) == 1, fits
    return fits[0]


def test_node_that_goes_down_is_not_ready_and_then_drained() -> None:
    """While a server is off its node is in no known condition; it takes no pods until tested."""
    twin = TwinPair("kubernetes")
    twin.run(2)
    twin.emulator.inject("x", "server-down", "r0001/n2", 20.0)
    twin.run(15)
    names = (
        "kube_node_status_condition", "kube_node_spec_unschedulable", "kube_node_spec_taint",
        "kube_pod_info", "kube_node_status_allocatable",
    )  # fmt: skip
    series = found(twin, *names)
    ready = series["kube_node_status_condition"]
    assert labels_where(ready, node="r0001-n2", condition="Ready")["status"] == "unknown"
    assert labels_where(ready, node="r0001-n1", condition="Ready")["status"] == "true"
    assert {own["node"]: v for own, v in series["kube_node_spec_unschedulable"]} == {
        host(n): float(n == 1) for n in range(6)
    }
    assert {own["key"] for own, _ in series["kube_node_spec_taint"]} == {
        "node.kubernetes.io/unschedulable", "node.kubernetes.io/unreachable",
    }  # fmt: skip
    unreachable = [
        own["effect"]
        for own, _ in series["kube_node_spec_taint"]
        if own["key"] == "node.kubernetes.io/unreachable"
    ]
    assert sorted(unreachable) == ["NoExecute", "NoSchedule"]
    assert "r0001-n2" not in {own["node"] for own, _ in series["kube_pod_info"]}
    gpus = {
        own["node"]: v
        for own, v in series["kube_node_status_allocatable"]
        if own["resource"] == "nvidia_com_gpu"
    }
    assert gpus["r0001-n1"] == 4


def test_pod_whose_node_is_silent_is_not_ready_while_its_container_is() -> None:
    """As the node lifecycle controller has it: only the pod's condition turns false."""
    twin = TwinPair("kubernetes")
    twin.run(2)
    twin.emulator.inject("x", "server-down", "r0001/n2", 20.0)
    twin.run(4)
    series = found(
        twin, "kube_pod_info", "kube_pod_status_ready", "kube_pod_status_ready_time",
        "kube_pod_container_status_ready",
    )  # fmt: skip
    silent = {own["pod"] for own, _ in series["kube_pod_info"] if own["node"] == "r0001-n2"}
    assert silent
    for name, wanted in (("kube_pod_status_ready", 0), ("kube_pod_container_status_ready", 1)):
        rows = {own["pod"]: v for own, v in series[name] if own.get("condition", "true") == "true"}
        assert {rows[pod] for pod in silent} == {wanted}
    assert not silent & {own["pod"] for own, _ in series["kube_pod_status_ready_time"]}


def test_container_that_crashed_says_how_and_when() -> None:
    """After its first crash a container has the reason, exit code and time of the last one."""
    twin = TwinPair("kubernetes")
    twin.run(2)
    last = "kube_pod_container_status_last_terminated_"
    names = [f"{last}{what}" for what in ("reason", "exitcode", "timestamp")]
    assert not any(found(twin, *names).values())
    twin.emulator.inject("x", "container-crash-loop", "r0001/n1", 60.0)
    seen = set()
    for _ in range(40):
        twin.step()
        table = plant_of(twin).table
        crashed = {int(EPOCH + at) for at in table.crashed[table.crashes > 0]}
        series = found(twin, *names, "kube_pod_container_status_restarts_total")
        restarts = series["kube_pod_container_status_restarts_total"]
        restarted = {own["pod"] for own, count in restarts if count}
        for name in names:
            assert {own["pod"] for own, _ in series[name]} == restarted
        assert {own["reason"] for own, _ in series[names[0]]} <= {"Error"}
        assert {v for _, v in series[names[1]]} <= {1}
        assert {v for _, v in series[names[2]]} <= crashed
        seen |= restarted
    assert seen


def test_lost_gpu_lowers_what_is_allocatable_and_drains_the_node() -> None:
    """The device plugin's count falls while capacity stays, and Slurm says the reason."""
    kubernetes, slurm = TwinPair("kubernetes"), TwinPair("slurm")
    for twin in (kubernetes, slurm):
        twin.run(2)
        twin.emulator.inject("x", "gpu-off-bus", "r0001/n1/gpu2", 60.0)
        twin.run(15)
    names = ("kube_node_status_allocatable", "kube_node_status_capacity")
    shown = [
        value
        for rows in found(kubernetes, *names).values()
        for own, value in rows
        if own["node"] == "r0001-n1" and own["resource"] == "nvidia_com_gpu"
    ]
    assert shown == [3, 4]
    series = found(slurm, "slurm_node_info", "slurm_nodes_drain")
    node = labels_where(series["slurm_node_info"], node_name="r0001-n1")
    assert node["state_is_drain"] == "true"
    assert node["reason"] == "gres/gpu count reported lower than configured (3 < 4)"
    assert series["slurm_nodes_drain"][0][1] == 1


def test_vpensos_counts_are_those_of_the_plant_at_every_instant() -> None:
    """Each second a node counts once, by what sinfo shows of it, and CPUs and GPUs add up."""
    twin = TwinPair("slurm", "telemetry: {jobs: {slurm: vpenso}}")
    twin.emulator.inject("x", "server-down", "r0001/n2", 20.0)
    twin.emulator.inject("y", "gpu-off-bus", "r0002/n1/gpu2", 30.0)
    states = set()
    for _ in range(60):
        twin.step()
        own = plant_of(twin)
        held, out, silent = own.owner >= 0, own.nodes.out, ~own.nodes.responding
        some, full = held.any(axis=1), held.all(axis=1)
        series = found(
            twin, *(f"slurm_nodes_{what}" for what in ("idle", "alloc", "mix", "down", "drain")),
            "slurm_queue_running", "slurm_queue_configuring", "slurm_queue_pending",
            "slurm_gpus_alloc", "slurm_gpus_idle", "slurm_cpus_total", "slurm_cpus_other",
            "slurm_cpus_alloc", "slurm_cpus_idle", "slurm_node_cpu_alloc", "slurm_node_cpu_other",
        )  # fmt: skip
        value = {name: rows[0][1] for name, rows in series.items() if not rows[0][0].get("node")}
        assert value["slurm_nodes_idle"] == int((~some & ~out).sum())
        assert value["slurm_nodes_alloc"] == int((full & ~out).sum())
        assert value["slurm_nodes_mix"] == int((some & ~full & ~out).sum())
        assert value["slurm_nodes_down"] == int((out & silent).sum())
        assert value["slurm_nodes_drain"] == int((out & ~silent).sum())
        working = own.table.among(BatchState.RUNNING, BatchState.STALLED)
        assert value["slurm_queue_running"] == int(working.sum())
        starting = own.table.among(BatchState.STARTING)
        assert value["slurm_queue_configuring"] == int(starting.sum())
        assert value["slurm_gpus_alloc"] == int(held.sum())
        assert value["slurm_gpus_idle"] == int((~held).sum())
        per_node = {name: sum(v for _, v in series[f"slurm_node_cpu_{name}"])
                    for name in ("alloc", "other")}  # fmt: skip
        assert value["slurm_cpus_alloc"] == per_node["alloc"]
        assert value["slurm_cpus_other"] == per_node["other"]
        parts = ("slurm_cpus_alloc", "slurm_cpus_other", "slurm_cpus_idle")
        assert value["slurm_cpus_total"] == sum(value[name] for name in parts)
        states |= {labels["status"] for labels, _ in series["slurm_node_cpu_alloc"]}
    assert {"down*", "drained", "allocated"} <= states
    assert twin.refused() == 0


def test_statistics_of_the_scheduler_are_those_of_the_plant() -> None:
    """What sdiag says grows with the plant's jobs, and both exporters say the same."""
    twin = TwinPair("slurm", "telemetry: {jobs: {slurm: all}}")
    numbers = {int(number) for number in plant_of(twin).table.number if number}
    ended = started = 0
    for _ in range(120):
        twin.step()
        own = plant_of(twin)
        table = own.table
        assert own.statistics.started >= started
        started = own.statistics.started
        new = {int(number) for number in table.number if number} - numbers
        series = found(
            twin, "slurm_sdiag_jobs_submitted", "slurm_sdiag_jobs_started",
            "slurm_sdiag_jobs_completed", "slurm_backfilled_jobs", "slurm_schedule_cycle_tot",
            "slurm_schedule_cycle_cnt", "slurm_sched_mean_cycle", "slurm_scheduler_mean_cycle",
            "slurm_scheduler_backfilled_jobs_since_start_total",
        )  # fmt: skip
        value = {name: rows[0][1] for name, rows in series.items()}
        assert value["slurm_sdiag_jobs_submitted"] == own.statistics.submitted >= len(new)
        assert value["slurm_sdiag_jobs_started"] == started
        assert value["slurm_sdiag_jobs_completed"] == own.statistics.completed >= ended
        ended = own.statistics.completed
        backfilled = value["slurm_scheduler_backfilled_jobs_since_start_total"]
        assert value["slurm_backfilled_jobs"] == backfilled == own.statistics.backfilled
        mean = value["slurm_schedule_cycle_tot"] // value["slurm_schedule_cycle_cnt"]
        assert value["slurm_sched_mean_cycle"] == value["slurm_scheduler_mean_cycle"] == mean
    assert ended


def test_exporters_share_the_metrics_that_they_call_the_same() -> None:
    """A metric of two exporters stands once on a page, with the series of both."""
    twin = TwinPair("slurm", "telemetry: {jobs: {slurm: all}}")
    twin.run(3)
    texts = [bytes(twin.core.metrics()), bytes(twin.core.array(0))]
    for text in texts:
        heads = [line for line in text.splitlines() if line.startswith(b"# TYPE slurm_")]
        assert len(heads) == len(set(heads))
    series = found(twin, "slurm_nodes_idle", "slurm_user_jobs_running", "slurm_node_cpus_effective")
    for name, jobs in (
        ("slurm_nodes_idle", {"slurm", "slurm_exporter"}),
        ("slurm_user_jobs_running", {"slurm", "slurm_exporter"}),
        ("slurm_node_cpus_effective", {"slurm", "soperator-exporter"}),
    ):
        assert {labels["job"] for labels, _ in series[name]} == jobs


def test_flags_of_a_node_are_empty_where_they_are_not_set() -> None:
    """As soperator writes them: three say false, the others and is_unavailable nothing."""
    twin = TwinPair("slurm")
    twin.run(2)
    rows = found(twin, "slurm_node_info")["slurm_node_info"]
    node = labels_where(rows, node_name="r0001-n1")
    assert node["state_is_drain"] == node["state_is_reserved"] == "false"
    assert node["is_unavailable"] == node["state_is_not_responding"] == ""
    assert node["state_is_completing"] == ""


def test_daemon_sets_follow_the_nodes() -> None:
    """A node that is silent has a pod of each DaemonSet that is not ready; nothing else changes."""
    twin = TwinPair("kubernetes")
    twin.run(10)
    names = [
        f"kube_daemonset_status_{what}"
        for what in ("desired_number_scheduled", "number_available", "number_unavailable")
    ]
    nodes = len(found(twin, "kube_node_info")["kube_node_info"])

    def told() -> list[dict[str, float]]:
        series = found(twin, *names)
        return [{labels["daemonset"]: v for labels, v in series[name]} for name in names]

    sets = {"kube-proxy", "nvidia-device-plugin-daemonset", "nvidia-dcgm-exporter", "node-exporter"}
    assert told() == [dict.fromkeys(sets, float(n)) for n in (nodes, nodes, 0)]
    twin.emulator.inject("x", "server-down", "r0001/n2", 600.0)
    twin.run(90)
    assert told() == [dict.fromkeys(sets, float(n)) for n in (nodes, nodes - 1, 1)]
    wanted, there = (
        {labels["deployment"]: v for labels, v in series}
        for series in found(
            twin, "kube_deployment_spec_replicas", "kube_deployment_status_replicas_available"
        ).values()
    )
    assert wanted == there
    assert wanted["coredns"] == 2.0


def test_kube_state_metrics_tells_of_itself() -> None:
    """One shard of one, each kind of object listed once, and watched anew every few minutes."""
    twin = TwinPair("kubernetes")
    names = [metric.name for metric in KUBE_STATE.metrics if metric.of == "site"]
    assert [name.removeprefix("kube_state_metrics_") for name in names] == [
        "list_total", "watch_total", "shard_ordinal", "total_shards",
    ]  # fmt: skip
    for seconds in (60, 640):
        for _ in range(seconds):
            twin.step()
        series = found(twin, *names)
        ((ordinal, first),) = series["kube_state_metrics_shard_ordinal"]
        ((_, total),) = series["kube_state_metrics_total_shards"]
        assert (ordinal["shard_ordinal"], first, total) == ("0", 0.0, 1.0)
        for name in names[:2]:
            assert {labels["result"] for labels, _ in series[name]} == {"success"}
        lists, watches = ({la["resource"]: v for la, v in series[name]} for name in names[:2])
        assert set(lists.values()) == {1.0}
        assert lists.keys() == watches.keys() >= {"*v1.Pod", "*v1.Job", "*v1.Node"}
        least, most = (1, 1) if seconds == 60 else (2, 3)
        assert all(least <= value <= most for value in watches.values())


@pytest.mark.parametrize(
    ("kind", "exporters"),
    [
        ("kubernetes", (KUBE_STATE,)),
        ("slurm", (SLURM, SOPERATOR)),
        pytest.param("vpenso", (VPENSO,), marks=pytest.mark.full),
        pytest.param("slinky", (SLINKY,), marks=pytest.mark.full),
    ],
)
def test_every_metric_has_its_labels(kind: str, exporters: tuple[StateExporter, ...]) -> None:
    """Over a while with a fault every metric of the table is exposed, with the labels it says."""
    alone = kind in ("vpenso", "slinky")
    chosen = f"telemetry: {{jobs: {{slurm: {kind}}}}}" if alone else ""
    twin = TwinPair("slurm" if alone else kind, chosen)
    twin.emulator.inject("x", "server-down", "r0001/n2", 20.0)
    seen: dict[str, set[tuple[str, ...]]] = {}
    for _ in range(20):
        twin.run(10)
        for name, labels, _ in twin.scrape("kube_", "slurm_"):
            own = tuple(label for label in labels if label not in {"job", "instance", "site"})
            seen.setdefault(name, set()).add(own)
    wanted: dict[str, set[tuple[str, ...]]] = {}
    for metric in (metric for own in exporters for metric in own.metrics):
        for name in metric.names:
            bound = ("le",) if name.endswith("_bucket") else ()
            wanted.setdefault(name, set()).add((*metric.labels, *bound))
    # They need a job that fails, crashes, or cannot be placed, or an outage that is over, and no
    # job is ever suspended.
    never = {"slurm_account_jobs_suspended", "slurm_user_jobs_suspended"}
    if exporters == (VPENSO,):
        assert not never & seen.keys()
        wanted = {name: labels for name, labels in wanted.items() if name not in never}
    crashed = "kube_pod_container_status_last_terminated_"
    rare_ones = [f"{crashed}{what}" for what in ("reason", "exitcode", "timestamp")]
    waits = ("kube_pod_status_unschedulable", "kube_pod_status_unscheduled_time")
    outages = [
        name
        for metric in SOPERATOR.metrics
        if metric.kind is MetricType.HISTOGRAM
        for name in metric.names
    ]
    for rare in ("kube_job_failed", *waits, *rare_ones, *outages):
        wanted.pop(rare, None)
        seen.pop(rare, None)
    assert seen == wanted


def test_nothing_is_exposed_that_nobody_vouches_for() -> None:
    """When the emulator is lost, what the broker kept is not taken for the present."""
    twin = TwinPair("kubernetes")
    twin.run(2)
    assert found(twin, "kube_pod_info")["kube_pod_info"]
    lost = twin.emulator.status("lost", {})
    twin.core.handle(lost.topic, lost.payload, False, 1.7e9 + 3, 3.0)
    assert not found(twin, "kube_pod_info")["kube_pod_info"]


def test_options_choose_the_exporters() -> None:
    """Each exporter and the labels of pods can be left out."""
    none = TwinPair("slurm", "telemetry: {jobs: {slurm: none}}")
    official = TwinPair("slurm", "telemetry: {jobs: {slurm: official}}")
    plain = TwinPair("kubernetes", "telemetry: {jobs: {metric_labels: false}}")
    for twin in (none, official, plain):
        twin.run(2)
    assert not found(none, "slurm_jobs")["slurm_jobs"]
    series = found(official, "slurm_jobs", "slurm_node_job")
    assert series["slurm_jobs"]
    assert not series["slurm_node_job"]
    kube = found(plain, "kube_pod_info", "kube_pod_labels", "kube_node_labels")
    assert kube["kube_pod_info"]
    assert not kube["kube_pod_labels"]
    assert not kube["kube_node_labels"]


def test_pages_are_made_anew_only_when_something_changed() -> None:
    """Two scrapes of the same messages print the same columns."""
    twin = TwinPair("kubernetes")
    twin.run(3)
    pages = twin.core.exposure._schedulers
    twin.scrape()
    before = {key: page.columns for key, page in pages._pages.items()}
    twin.scrape()
    assert all(pages._pages[key].columns is columns for key, columns in before.items())
    assert before.keys() == {None, 0, 1}

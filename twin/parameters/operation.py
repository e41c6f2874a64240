"""The training job, the jobs that share the site, and how it reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from twin.parameters.model import ModelParameters
from twin.parameters.section import Amount, Fraction, Positive, Section

__all__ = [
    "ExporterVersions",
    "JobParameters",
    "JobTelemetryParameters",
    "MeasuredRack",
    "TelemetryParameters",
    "TrainingParameters",
    "check_measured",
]


class TrainingParameters(Section):
    """The shape of a synchronous training job."""

    step_seconds: Positive | None = None
    """Duration of a step; None for what the GPU model needs for `model`: 10.64 s on H100, as
    in MLPerf DC (10.51 to 10.65)."""
    step_jitter_seconds: Amount = 0.05
    """Standard deviation of a step's duration."""
    eval_every_seconds: Positive = 142.36
    """From the start of one evaluation to the next, rounded to whole steps (MLPerf DC)."""
    eval_seconds: Amount = 14.7
    """Duration of an evaluation with the change to it and back: what is left of that time
    beside twelve steps (MLPerf DC)."""
    checkpoint_every_seconds: Positive = 900.0
    """From the start of one checkpoint to the next, est.; frequent-checkpoint runs use 250."""
    checkpoint_seconds: Amount = 16.0
    """Duration of a checkpoint, in which all ranks wait (measured: 16 s)."""
    startup_seconds: Amount = 180.0
    """From launch to loading, est.: the log of MLPerf DC has 358 s before the first step of a first
    launch; a relaunch finds caches warm. With the three times below, a lost device costs ten
    minutes, as Meta says of synchronous jobs of 100,000 GPUs (arXiv 2602.00277)."""
    detect_seconds: Amount = 180.0
    """From a rank that no longer answers to the time-out that ends the job, est. 1 to 10 min; until
    then all other ranks wait in a collective."""
    restart_delay_seconds: Amount = 120.0
    """Least time from the end of a job's processes to its next launch, est. 1 to 10 min."""
    replace_seconds: Amount = 180.0
    """Longest wait for a failed device, after which the job is launched without it, est.: of 419
    interruptions of Llama 3 all but three were dealt with by automation."""
    reload_seconds: Amount = 60.0
    """Loading the last checkpoint, est.: at most 4 GB a GPU for Llama 3, whose storage gives
    0.1 GB/s a GPU."""
    framebuffer_ratio: Fraction = 0.86
    """Framebuffer that the job holds, est."""
    model: ModelParameters = ModelParameters()
    """What the job trains, see [model](#trainingmodel); a job of `jobs` gives all of it anew."""


class JobParameters(Section):
    """A job that holds racks of the site; the jobs follow each other in order of racks."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """Name, as used in topics, in targets of faults and in the label `training_job`; the GPUs
    of the job carry it as `hpc_job`, as dcgm-exporter does with `--hpc-job-mapping-dir`."""
    racks: Annotated[int, Field(ge=1, le=20_000)]
    """Racks that the job holds."""
    workload: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = "training"
    """What runs on them: `training` for pre-training, `idle` for racks that are held and not used,
    or the name of a [workload](#workloads)."""
    priority: Annotated[int, Field(ge=0, le=100)] = 50
    """Priority in load shedding: racks without a job lose power first, then the job with the lowest
    priority, and of two equal ones the later one."""
    training: TrainingParameters = TrainingParameters()
    """What is different from the site's section `training`, with the same keys."""


class ExporterVersions(Section):
    """Editions of exporters whose names, units or labels differ by version."""

    dcgm: str = "4.8.2"
    """Edition of dcgm-exporter: `4.8.2`, `4.8.3`, `4.8.4` or `4.9.0`, or the whole tag such as
    `4.5.3-4.8.2`. One for all arrays, then those that differ, for example
    `4.8.2, a003=4.9.0, a010-a020=4.9.0` for a fleet in mid-migration."""
    dcgm_counters: str = ""
    """What dcgm-exporter exports: the text of a counters file as `-f` takes it, which replaces the
    edition's own list; empty for that list."""


class JobTelemetryParameters(Section):
    """What exporters say of the scheduler's jobs, each by the option of the real exporter."""

    kubernetes: bool | None = None
    """dcgm-exporter's `--kubernetes`: `pod`, `namespace` and `container` on the GPUs that a pod
    has; on unless given where `scheduler.kind` is `kubernetes`, or Slurm runs on Kubernetes."""
    hpc_job: bool | None = None
    """dcgm-exporter's `--hpc-job-mapping-dir`: `hpc_job` on the GPUs that a job has; on unless
    given where `scheduler.kind` is `slurm`."""
    honor_labels: bool = False
    """Scrape dcgm-exporter with `honorLabels: true`. Without, as by its chart, Prometheus stores
    the pod that has a GPU as `exported_pod`, `exported_namespace` and `exported_container`, and
    `pod`, `namespace` and `container` are the exporter's own."""
    pod_uid: bool = False
    """dcgm-exporter's `--kubernetes-enable-pod-uid`."""
    pod_labels: bool = False
    """dcgm-exporter's `--kubernetes-enable-pod-labels`: the pods' labels `app` and `team`."""
    state_metrics: bool = True
    """kube-state-metrics, where `scheduler.kind` is `kubernetes` or Slurm runs on Kubernetes."""
    metric_labels: bool = True
    """Its `--metric-labels-allowlist` for pods and nodes, without which `kube_pod_labels` and
    `kube_node_labels` do not exist."""
    slurm: Literal["official", "soperator", "vpenso", "slinky", "both", "all", "none"] = "both"
    """Exporters of Slurm, where `scheduler.kind` is `slurm`: its own endpoint, that of soperator
    with a series for each job and node, both of these, the older prometheus-slurm-exporter of
    vpenso, that of SlinkyProject, all or none."""


class TelemetryParameters(Section):
    """How the site reports."""

    interval_seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """Time between two frames of a unit, in simulated seconds."""
    racks_per_message: Annotated[int, Field(ge=1, le=64)] = 1
    """Racks of an array whose frames travel in one message, where frames are in CBOR; in JSON each
    travels alone. It costs broker, emulators and aggregators less on large sites."""
    extra_signals: bool = True
    """Also report what the real exporters have off by default."""
    averaged_power: bool = False
    """Show power as real meters do: BMCs, supplies and PDUs as means over some seconds, GPUs over
    one. Without it each shows what is drawn in the step."""
    real_readings: bool = False
    """Show temperatures, fans and coolant units in the steps of their sensors, and as often as
    these have a new value. Without it each shows what is, to the digits that its metric has."""
    dcgm_collect_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """dcgm-exporter's `--collect-interval`, 30 s unless it is set: scrapes in between find the same
    values again. 0 shows new values in each frame."""
    exporters: ExporterVersions = ExporterVersions()
    """Editions of the exporters, see [exporters](#telemetryexporters)."""
    jobs: JobTelemetryParameters = JobTelemetryParameters()
    """Labels of jobs, see [jobs](#telemetryjobs)."""
    mig: str = "off"
    """How the GPUs of each array are partitioned into instances (MIG), of which dcgm-exporter has
    series instead of the GPU: `off`, profiles of the model such as `3g.40gb+2g.20gb+2g.20gb`, or
    `all-1g.10gb` for as many as fit. One setting for all arrays, then those that differ, for
    example `off, a001=all-1g.10gb`."""
    hostname_label: Literal["Hostname", "hostname"] | None = None
    """dcgm-exporter's host label, where it is relabelled: by default its edition's own, `Hostname`
    up to 4.8.2 and `hostname` after."""
    detail: str = "gpu"
    """How much of each array is exposed: `gpu` for everything, `rack` for roll-ups over it and its
    racks and the devices of which a rack has a few, `site` for nothing of its own. One word for all
    arrays, then those that differ, for example `rack, a001=gpu, a010-a020=site`."""
    host: str = "off"
    """How much of each host's operating system is exposed, as node_exporter shows it: `full` for
    all of it, `aggregate` for all but the families with a series a thread, `off` for none. One word
    for all arrays, then those that differ, for example `off, a001=full`."""

    @property
    def has_blocks(self) -> bool:
        """Whether racks may travel several in a message."""
        return self.racks_per_message > 1

    @property
    def shows_hosts(self) -> bool:
        """Whether the operating system of any host is exposed."""
        words = (word.rpartition("=")[2].strip() for word in self.host.split(","))
        return any(word != "off" for word in words)


class MeasuredRack(Section):
    """A rack of the site that is real: a gateway publishes what its exporters measure."""

    rack: Annotated[int, Field(ge=1, le=20_000)]
    """Number of the rack: 3 for `r0003`."""
    name: Annotated[str, Field(max_length=128)] = ""
    """What the site calls it."""
    hosts: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,126})$")], ...]
    """Host names of its servers, in order; without a name a server is not measured."""


def check_measured(measured: Sequence[MeasuredRack], count: int, servers_per_rack: int) -> None:
    """Refuse measured racks that a site of ``count`` racks cannot have.

    Raises:
        ValueError: a rack or a host is given twice, is beyond the site, or has too many hosts.
    """
    racks: set[int] = set()
    hosts: set[str] = set()
    for own in measured:
        place = f"measured: rack {own.rack}"
        if own.rack > count or own.rack in racks:
            why = "is given twice" if own.rack in racks else f"is beyond the {count} racks"
            raise ValueError(f"{place} {why}; each entry is a rack of the site of its own")
        if len(own.hosts) > servers_per_rack:
            raise ValueError(
                f"{place} has {len(own.hosts)} hosts, but servers_per_rack is "
                f"{servers_per_rack}; raise it, or take hosts away"
            )
        racks.add(own.rack)
        for host in own.hosts:
            if host in hosts:
                raise ValueError(f"{place}: host {host!r} is given twice; it stands once")
            hosts.add(host)

"""Alerts on the monitoring itself: exporters, sensors, and the twin's own pipeline."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog import ARRAY_JOB, CDU, GPU, LEAF, OWN_JOB, PUMP, SERVER
from twin.catalog.selectors import host, of, own, select, up

__all__ = ["TELEMETRY_RULES"]

_gpu, _cdu = partial(of, GPU), partial(of, CDU)
_EXPORTERS = (SERVER["up_dcgm"], SERVER["up_neuron"], SERVER["up_node"], SERVER["up_ipmi"])
_OWN_TARGETS = select(SERVER["up_node"].metric, f'job=~"{OWN_JOB}|{ARRAY_JOB}"')
_ALL = up(*_EXPORTERS, LEAF["up"])
_MOVES = f"changes({_gpu('power_usage')}[5m])"
_RACKS = 'kind="rack"'
_LAST = (
    f"({own('unit_last_frame_timestamp_seconds', _RACKS)}"
    f" and on (site, unit) {own('unit_reporting', _RACKS)} == 1)"
)
_FLOW = f"{_cdu('flow')}[5m]"
_METER = f"avg_over_time({_cdu('facility_heat')}[5m])"

_SCRAPES = (
    Alert(
        name="ServerExporterDown",
        severity=Severity.WARNING,
        expr=f"{host(up(*_EXPORTERS))}\n  == 0",
        hold=15,
        summary="{{ $labels.job }} on {{ $labels.instance }} in rack {{ $labels.rack }} is down",
        meaning="The server may be well: only this exporter does not answer.",
        steps=("Restart the exporter.", "Look at its memory limit: dcgm-exporter needs 512 MiB."),
    ),
    Alert(
        name="ScrapeTargetDown",
        severity=Severity.CRITICAL,
        expr=f"{_OWN_TARGETS} == 0",
        hold=15,
        summary="Prometheus cannot scrape {{ $labels.job }}"
        "{{ with $labels.array }} {{ . }}{{ end }} at {{ $labels.instance }}",
        meaning="The aggregator does not answer: everything behind this target is unknown.",
        steps=("Does the aggregator run?", "Does a scrape take longer than its time-out?"),
    ),
    Alert(
        name="ScrapeTargetMissing",
        severity=Severity.WARNING,
        why="A target that service discovery lost has no `up` that could be 0.",
        expr=f"{_ALL} offset 5m\nunless\n{_ALL}",
        hold=60,
        summary="{{ $labels.job }} of {{ $labels.instance }} is not scraped any more",
        meaning="The target vanished from service discovery, or its gateway is silent. Its series "
        "end, and no rule on their values can fire. After five minutes the alert ends.",
        steps=(
            "Was it removed on purpose?",
            "Look at service discovery and at the rack's gateway.",
        ),
    ),
)

_SENSORS = (
    Alert(
        name="GpuSensorStuck",
        severity=Severity.WARNING,
        why="It computes, so its power moves, and there were scrapes to see it.",
        expr=f"""
        {_MOVES} == 0
        and count_over_time({_gpu("power_usage")}[5m]) >= 5
        and {_gpu("power_usage")}
        and max_over_time({_gpu("tensor_active")}[5m]) > {limit.GPU_SPINNING_TENSOR}
        """,
        hold=60,
        summary="Readings of GPU {{ $labels.gpu }} of {{ $labels.instance }} in rack "
        "{{ $labels.rack }} stand still",
        meaning="The GPU computes, but its power has not changed for five minutes: "
        "whatever else the GPU reports may be frozen too, its temperature above all.",
        steps=("Restart dcgm-exporter and nv-hostengine.", "Otherwise reset the GPU."),
    ),
    Alert(
        name="CoolantThermometerOff",
        severity=Severity.WARNING,
        why="What the coolant gives off has to arrive in the facility water. Over five minutes the "
        "heat that is stored on the way does not count, unless the coolant itself warms or cools, "
        "which both thermometers show.",
        expr=f"""
        abs(
          avg_over_time({_cdu("flow")}[5m]) * {limit.COOLANT_HEAT_CAPACITY} / 60
            * (
              avg_over_time({_cdu("return_temperature")}[5m])
                - avg_over_time({_cdu("supply_temperature")}[5m])
            )
            / {_METER}
            - 1
        ) > {limit.HEAT_BALANCE}
        and {_METER} > 1000
        and (
          abs(delta({_cdu("supply_temperature")}[5m])) < {limit.COOLANT_STEADY}
            or abs(delta({_cdu("return_temperature")}[5m])) < {limit.COOLANT_STEADY}
        )
        """,
        hold=300,
        summary="The heat balance of the coolant unit of rack {{ $labels.rack }} is off by "
        "{{ $value | humanizePercentage }}",
        meaning="One of its thermometers or flow meters is wrong, and the controller may act on "
        "it.",
        steps=("Compare supply and return of the rack with its neighbours'.", "Calibrate."),
    ),
    Alert(
        name="FlowMeterNoisy",
        severity=Severity.INFO,
        why="The pumps run evenly, so the flow itself cannot jump.",
        expr=f"""
        stddev_over_time({_FLOW})
          > {limit.FLOW_NOISE} * avg_over_time({_FLOW})
        and on (site, rack)
        max by (site, rack) (stddev_over_time({of(PUMP, "speed_ratio")}[5m])) < 0.01
        """,
        hold=60,
        summary="The flow meter of rack {{ $labels.rack }} is noisy",
        meaning="Its readings jump while the pumps run evenly. Rules on the flow without `for` "
        "would fire for nothing.",
        steps=("Air in the loop, or the meter's cable; change the meter otherwise.",),
    ),
)

_PIPELINE = (
    Alert(
        name="RackSilent",
        severity=Severity.CRITICAL,
        expr=own("unit_reporting", 'kind="rack"') + " == 0",
        hold=10,
        summary="Rack {{ $labels.rack }} of {{ $labels.site }} is silent",
        detail="Its series are gone{{ range query (printf "
        f'"{own("unit_missing")}{{kind=%q,unit=%q,site=%q}}" '
        "$labels.kind $labels.unit $labels.site) }} ({{ .Labels.reason }}){{ end }}.",
        meaning="Nothing is known of its machines: they may be well.",
        steps=(
            "Look at the rack's gateway and network before you believe that its machines are down.",
        ),
    ),
    Alert(
        name="UnitSilent",
        severity=Severity.WARNING,
        expr=own("unit_reporting", 'kind!="rack"') + " == 0",
        hold=10,
        summary="{{ $labels.kind }} {{ $labels.unit }} of {{ $labels.site }} is silent",
        meaning="Its series are gone, so nothing is known of it.",
        steps=("Look at the unit's controller and at its network.",),
    ),
    Alert(
        name="EmulatorLost",
        severity=Severity.CRITICAL,
        expr=f"{own('emulator_up')} == 0",
        hold=10,
        summary="Emulator {{ $labels.emulator }} of {{ $labels.site }} is gone",
        meaning="The broker missed it and published its Last Will. Its units are silent.",
        steps=("Look at its log; start it again with `--state`, so that counters go on.",),
    ),
    Alert(
        name="EmulatorsClash",
        severity=Severity.CRITICAL,
        expr=f"max by (site) ({own('emulator_rivals')}) > 0",
        hold=10,
        summary="{{ $value }} emulators of {{ $labels.site }} publish the same part of it",
        meaning="Each has its own clock and counters: values and counters jump back and forth, and "
        "nothing that is shown of these units can be trusted.",
        steps=(
            "The aggregator's log names them; stop all but one, or give each its own site.",
            "Of one name there may be two processes: they throw each other out at the broker.",
        ),
    ),
    Alert(
        name="EmulatorLate",
        severity=Severity.WARNING,
        expr=f"""
        rate({own("emulator_late_ticks_total")}[5m])
          / rate({own("emulator_ticks_total")}[5m])
          > {limit.LATE_TICKS}
        """,
        hold=60,
        summary="Emulator {{ $labels.emulator }} begins {{ $value | humanizePercentage }} of its "
        "ticks late",
        meaning="The machine is too slow for the site at this speed; time stamps lag.",
        steps=("Lower the speed, lengthen the interval, or split the site.",),
    ),
    Alert(
        name="RollupsIncomplete",
        severity=Severity.WARNING,
        why="Only the aggregator that takes the sums counts parts.",
        expr=f"{own('rollup_shards')} < {own('rollup_shards_expected')}",
        hold=60,
        summary="The sums of {{ $labels.site }} have only {{ $value }} of their parts",
        meaning="Roll-ups of halls and site lack the arrays of an aggregator: they are too low.",
        steps=(
            "Find the aggregator that is gone: its arrays' targets are down.",
            "May it write its part to the broker?",
        ),
    ),
    Alert(
        name="BrokerDisconnected",
        severity=Severity.CRITICAL,
        expr=f"max by (site) ({own('broker_connected')}) == 0",
        hold=10,
        summary="No aggregator of {{ $labels.site }} is connected to the MQTT broker",
        meaning="Nothing arrives until the connection stands again.",
        steps=("Does the broker run? Are address, password and certificate right?",),
    ),
    Alert(
        name="AggregatorDisconnected",
        severity=Severity.WARNING,
        why="When all of a site are, it is BrokerDisconnected.",
        expr=f"""
        {own("broker_connected")} == 0
          and on (site)
        max by (site) ({own("broker_connected")}) == 1
        """,
        hold=10,
        summary="Aggregator {{ $labels.instance }} of {{ $labels.site }} has lost the MQTT broker, "
        "which others have",
        meaning="Its arrays fall silent, unless it has a replica.",
        steps=(
            "Look at this aggregator's log and network, and at the node of the broker it was on.",
        ),
    ),
    Alert(
        name="FramesLost",
        severity=Severity.WARNING,
        expr=f"increase({own('frames_lost_total')}[5m]) > 0",
        summary='{{ $value | printf "%.0f" }} {{ $labels.kind }} frames were lost in five minutes',
        meaning="The running numbers of the frames have gaps: a queue of the broker is full, or a "
        "publisher or the network drops them.",
        steps=("Look at the broker's queues and at the aggregator's dropped messages.",),
    ),
    Alert(
        name="MessagesRefused",
        severity=Severity.WARNING,
        expr=f"increase({own('messages_refused_total')}[5m]) > {limit.REFUSED}",
        summary='{{ $value | printf "%.0f" }} messages were refused in five minutes: '
        "{{ $labels.reason }}",
        meaning="Somebody publishes what is no valid frame of this site.",
        steps=("The aggregator's log names topic and reason.",),
    ),
    Alert(
        name="ClockSkewed",
        severity=Severity.WARNING,
        why="Compared with the median rack; a silent rack is late for another reason.",
        expr=f"""
        abs(
          {_LAST}
            - on (site) group_left ()
          quantile by (site) (
            0.5, {_LAST}
          )
        ) > {limit.CLOCK_SKEW}
        """,
        hold=30,
        summary="The clock of the gateway of rack {{ $labels.rack }} is off by "
        '{{ $value | printf "%.0f" }} s',
        meaning="Its frames bear wrong times. When the clock is set right, they are older than "
        "what is known and are refused until the rack counts as silent.",
        steps=("Look at NTP on the gateway.",),
    ),
)

TELEMETRY_RULES = Rules(
    Domain.TELEMETRY,
    "Whether what the other rules read can be trusted. A real cluster keeps the rules on `up` and "
    "on sensors; those on `twin_*` watch the twin itself.",
    (),
    (*_SCRAPES, *_SENSORS, *_PIPELINE),
)

"""Alerts on the monitoring itself: exporters, sensors, and the twin's own pipeline."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog import ARRAY_JOB, CDU, GPU, LEAF, OWN_JOB, PUMP, SERVER
from twin.catalog.selectors import host, of, own, select, up

__all__ = ["TELEMETRY_RULES"]

_gpu, _cdu = partial(of, GPU), partial(of, CDU)
_EXPORTERS = tuple(
    SERVER[name] for name in ("up_dcgm", "up_neuron", "up_amd", "up_node", "up_ipmi")
)
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
        meaning="This exporter does not answer; the server itself may be healthy.",
        steps=(
            "Restart the exporter.",
            "Check its memory limit: dcgm-exporter needs 512 MiB.",
        ),
    ),
    Alert(
        name="ScrapeTargetDown",
        severity=Severity.CRITICAL,
        expr=f"{_OWN_TARGETS} == 0",
        hold=15,
        summary="Prometheus cannot scrape {{ $labels.job }}"
        "{{ with $labels.array }} {{ . }}{{ end }} at {{ $labels.instance }}",
        meaning="The aggregator does not answer, so the state of everything behind this target is "
        "unknown.",
        steps=(
            "Check that the aggregator is running.",
            "Check that a scrape takes less than the scrape timeout.",
        ),
    ),
    Alert(
        name="ScrapeTargetMissing",
        severity=Severity.WARNING,
        why="A target that is gone from service discovery has no `up` series that could be 0.",
        expr=f"{_ALL} offset 5m\nunless\n{_ALL}",
        hold=60,
        summary="{{ $labels.job }} of {{ $labels.instance }} is no longer scraped",
        meaning="The target is gone from service discovery, or its gateway is silent. Its series "
        "end, so no rule on their values can fire. This alert resolves after five minutes.",
        steps=(
            "Find out whether it was removed on purpose.",
            "Check service discovery and the rack's gateway.",
        ),
    ),
)

_SENSORS = (
    Alert(
        name="GpuSensorStuck",
        severity=Severity.WARNING,
        why="The power of a GPU that computes keeps changing; five scrapes are enough to see it.",
        expr=f"""
        {_MOVES} == 0
        and count_over_time({_gpu("power_usage")}[5m]) >= 5
        and {_gpu("power_usage")}
        and max_over_time({_gpu("tensor_active")}[5m]) > {limit.GPU_SPINNING_TENSOR}
        """,
        hold=60,
        summary="Readings of GPU {{ $labels.gpu }} of {{ $labels.instance }} in rack "
        "{{ $labels.rack }} are frozen",
        meaning="The GPU computes, but its power reading has not changed for five minutes. Its "
        "other readings may be frozen too, above all its temperature.",
        steps=(
            "Restart dcgm-exporter and nv-hostengine.",
            "If that does not help, reset the GPU.",
        ),
    ),
    Alert(
        name="CoolantThermometerOff",
        severity=Severity.WARNING,
        why="The coolant's heat has to arrive in the facility water. Over five minutes the heat "
        "stored in between is negligible unless the coolant itself warms or cools, which both "
        "temperature sensors show.",
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
        summary="The heat balance of the CDU of rack {{ $labels.rack }} is off by "
        "{{ $value | humanizePercentage }}",
        meaning="One of its temperature sensors or flow meters is wrong, and its controller may "
        "act on the wrong reading.",
        steps=(
            "Compare its supply and return temperatures and flow with its neighbours'.",
            "Calibrate or replace the sensor that differs.",
        ),
    ),
    Alert(
        name="FlowMeterNoisy",
        severity=Severity.INFO,
        why="While the pumps run at constant speed, the flow itself cannot jump.",
        expr=f"""
        stddev_over_time({_FLOW})
          > {limit.FLOW_NOISE} * avg_over_time({_FLOW})
        and on (site, rack)
        max by (site, rack) (stddev_over_time({of(PUMP, "speed_ratio")}[5m])) < 0.01
        """,
        hold=60,
        summary="The flow meter of rack {{ $labels.rack }} is noisy",
        meaning="Its readings jump while the pumps run at constant speed. Rules on the flow "
        "without a `for` would fire falsely.",
        steps=(
            "Check for air in the loop and for a loose cable.",
            "If there is neither, replace the meter.",
        ),
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
        meaning="The state of its servers is unknown: they may be healthy.",
        steps=("Check the rack's gateway and network before assuming that its servers are down.",),
    ),
    Alert(
        name="UnitSilent",
        severity=Severity.WARNING,
        expr=own("unit_reporting", 'kind!="rack"') + " == 0",
        hold=10,
        summary="{{ $labels.kind }} {{ $labels.unit }} of {{ $labels.site }} is silent",
        meaning="Its series are gone, so its state is unknown.",
        steps=("Check the unit's controller and its network.",),
    ),
    Alert(
        name="EmulatorLost",
        severity=Severity.CRITICAL,
        expr=f"{own('emulator_up')} == 0",
        hold=10,
        summary="Emulator {{ $labels.emulator }} of {{ $labels.site }} is gone",
        meaning="The broker lost the connection and published the emulator's Last Will. Its units "
        "are silent.",
        steps=("Read its log, then restart it with `--state` so that counters continue.",),
    ),
    Alert(
        name="EmulatorsClash",
        severity=Severity.CRITICAL,
        expr=f"max by (site) ({own('emulator_rivals')}) > 0",
        hold=10,
        summary="{{ $value }} emulators of {{ $labels.site }} publish the same units",
        meaning="Each has its own clock and counters, so values and counters jump back and forth "
        "and no value of these units can be trusted.",
        steps=(
            "Find their names in the aggregator's log.",
            "Stop all but one, or give each its own site.",
            (
                "If the log has only one name, two processes share it: the broker disconnects one "
                "whenever the other connects."
            ),
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
        summary="Emulator {{ $labels.emulator }} starts {{ $value | humanizePercentage }} of its "
        "ticks late",
        meaning="The machine is too slow for the site at this speed; timestamps lag.",
        steps=("Reduce the speed, lengthen the interval, or split the site.",),
    ),
    Alert(
        name="RollupsIncomplete",
        severity=Severity.WARNING,
        why="Only the aggregator that computes the roll-ups counts shards.",
        expr=f"{own('rollup_shards')} < {own('rollup_shards_expected')}",
        hold=60,
        summary="The roll-ups of {{ $labels.site }} include only {{ $value }} of their shards",
        meaning="The roll-ups of the halls and the site lack the arrays of at least one "
        "aggregator, so they are too low.",
        steps=(
            "Find the missing aggregator: its arrays' targets are down.",
            "Check that the broker's ACL lets it publish its part.",
        ),
    ),
    Alert(
        name="BrokerDisconnected",
        severity=Severity.CRITICAL,
        expr=f"max by (site) ({own('broker_connected')}) == 0",
        hold=10,
        summary="No aggregator of {{ $labels.site }} is connected to the MQTT broker",
        meaning="No data arrives until the connection is restored.",
        steps=(
            "Check that the broker is running.",
            "Check the aggregators' broker address, password and certificate.",
        ),
    ),
    Alert(
        name="AggregatorDisconnected",
        severity=Severity.WARNING,
        why="When all aggregators of a site are disconnected, BrokerDisconnected fires.",
        expr=f"""
        {own("broker_connected")} == 0
          and on (site)
        max by (site) ({own("broker_connected")}) == 1
        """,
        hold=10,
        summary="Aggregator {{ $labels.instance }} of {{ $labels.site }} has lost its connection "
        "to the MQTT broker",
        meaning="Other aggregators of the site are still connected. The arrays of this one go "
        "silent unless it has a replica.",
        steps=("Check its log and its network, and the broker node that it was connected to.",),
    ),
    Alert(
        name="FramesLost",
        severity=Severity.WARNING,
        expr=f"increase({own('frames_lost_total')}[5m]) > 0",
        summary='{{ $value | printf "%.0f" }} {{ $labels.kind }} frames were lost in five minutes',
        meaning="The frames' sequence numbers have gaps: a queue of the broker is full, or a "
        "publisher or the network drops frames.",
        steps=("Check the broker's queues and the broker's count of dropped messages.",),
    ),
    Alert(
        name="MessagesRefused",
        severity=Severity.WARNING,
        expr=f"increase({own('messages_refused_total')}[5m]) > {limit.REFUSED}",
        summary='{{ $value | printf "%.0f" }} messages were refused in five minutes: '
        "{{ $labels.reason }}",
        meaning="A client publishes messages that are not valid frames of this site.",
        steps=("Find the topic and the reason in the aggregator's log.",),
    ),
    Alert(
        name="ClockSkewed",
        severity=Severity.WARNING,
        why="Compared with the median rack; silent racks are excluded.",
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
        meaning="Its frames carry wrong timestamps. If a clock that is ahead is corrected, new "
        "frames are older than the last known one and are refused until the rack counts as silent.",
        steps=("Check NTP on the gateway.",),
    ),
)

TELEMETRY_RULES = Rules(
    Domain.TELEMETRY,
    "The telemetry that the other rules depend on. The rules on `up` and on sensors apply to a "
    "real cluster too; those on `twin_*` monitor the twin itself.",
    (),
    (*_SCRAPES, *_SENSORS, *_PIPELINE),
)

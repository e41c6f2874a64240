"""Alerts on the power of racks and servers."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog import PDU, PSU, SERVER
from twin.catalog.selectors import PLACE, host, of, up

__all__ = ["POWER_RULES"]

_pdu = partial(of, PDU)
_VOLTS, _AMPERES = _pdu("voltage"), _pdu("current")
_ONE = f"{PLACE}, pdu"
_PDU = "PDU {{ $labels.pdu }} of rack {{ $labels.rack }}"
_ON_HOST = tuple(SERVER[name] for name in ("up_dcgm", "up_neuron", "up_amd", "up_node"))
_HOST_UP = host(up(*_ON_HOST, SERVER["up_ipmi"]))
_EXPORTERS = host(up(*_ON_HOST))
_CONTROLLER = host(up(SERVER["up_ipmi"]))

POWER_RULES = Rules(
    Domain.POWER,
    "Rack PDUs, and servers by the metrics of ipmi_exporter.",
    (),
    (
        Alert(
            name="RackWithoutPower",
            severity=Severity.CRITICAL,
            expr=f"max by ({PLACE}) ({_VOLTS}) < {limit.PDU_DEAD}",
            summary="Rack {{ $labels.rack }} has no power",
            meaning="All its PDUs are dead: GPUs, NICs and the CDU are off, and the job stalls. "
            "When power is short, the energy management system sheds racks on purpose.",
            steps=(
                "If many racks are affected, check the grid, Megapacks and generators.",
                "If it is only one, check its breakers and the busway.",
            ),
        ),
        Alert(
            name="PduBreakerOpen",
            severity=Severity.CRITICAL,
            expr=f"""
            max by ({_ONE}) ({_VOLTS}) < {limit.PDU_DEAD}
              and on ({PLACE})
            max by ({PLACE}) ({_VOLTS}) >= {limit.PDU_DEAD}
            """,
            summary=f"{_PDU} is dead",
            meaning="The other PDU carries twice its usual load, and half of every server's "
            "power supplies are out. The rest cannot supply full load, so the servers lower the "
            "power limit of their GPUs and the whole job slows down.",
            steps=(
                "Check that the other PDU is not overloaded; if it is, reduce the load first.",
                "Find out why the breaker tripped, then close it.",
            ),
        ),
        Alert(
            name="PduPhaseLost",
            severity=Severity.CRITICAL,
            expr=f"""
            {_VOLTS} < {limit.PDU_DEAD}
              and on ({_ONE})
            max by ({_ONE}) ({_VOLTS}) >= {limit.PDU_DEAD}
            """,
            hold=5,
            summary=f"Phase {{{{ $labels.phase }}}} of {_PDU} is lost",
            meaning="A fuse or a contact has failed: the power supplies on this phase are out, "
            "and the other phases carry more.",
            steps=("Check the fuses and terminals of the PDU and of the busway's tap.",),
        ),
        Alert(
            name="PduPhaseImbalance",
            severity=Severity.WARNING,
            expr=f"""
            (
              (
                max by ({_ONE}) ({_AMPERES})
                  - min by ({_ONE}) ({_AMPERES})
              )
                / avg by ({_ONE}) ({_AMPERES})
              > {limit.PHASE_IMBALANCE}
            )
            and avg by ({_ONE}) ({_AMPERES}) > {limit.PHASE_LIGHT}
            and min by ({_ONE}) ({_VOLTS}) >= {limit.PDU_DEAD}
            """,
            hold=60,
            summary=f"The phase currents of {_PDU} differ by {{{{ $value | humanizePercentage }}}}",
            meaning="One phase carries far more load than the others and trips first, long before "
            "the PDU reaches its rating.",
            steps=(
                "Look for failed power supplies on one phase.",
                "Move power supplies to outlets of other phases.",
            ),
        ),
        Alert(
            name="PsuFailed",
            severity=Severity.WARNING,
            why="2 is critical; a power supply without input is critical too.",
            expr=f"{of(PSU, 'state')} >= 2",
            hold=5,
            summary="{{ $labels.name }} of {{ $labels.instance }} in rack {{ $labels.rack }} is "
            "critical",
            meaning="The server's other power supplies carry its share. If more fail, the server "
            "lowers the power limit of its GPUs and the job slows down.",
            steps=("Check that its PDU is live, then replace the supply; it is hot-swappable.",),
        ),
        Alert(
            name="ServerDown",
            severity=Severity.CRITICAL,
            why="None of the server's exporters answers, and neither does its BMC's.",
            expr=f"max by ({PLACE}, host) (\n  {_HOST_UP}\n) == 0",
            hold=15,
            summary="Server {{ $labels.host }} in rack {{ $labels.rack }} is down",
            meaning="Its GPUs and NICs are gone and the job stalls. Its BMC does not answer "
            "either, so it has lost power or its management network.",
            steps=(
                "If its neighbours are up, check its power supplies.",
                "Power-cycle it; if it does not come back, drain it.",
            ),
        ),
        Alert(
            name="ServerNotRunning",
            severity=Severity.CRITICAL,
            why="The BMC answers but the operating system does not.",
            expr=f"""
            max by ({PLACE}, host) (
              {_EXPORTERS}
            ) == 0
              and on ({PLACE}, host)
            max by ({PLACE}, host) (
              {_CONTROLLER}
            ) == 1
            """,
            hold=60,
            summary="Server {{ $labels.host }} in rack {{ $labels.rack }} has power, but its "
            "system does not run",
            meaning="It is booting, hangs, or has crashed. The job stalls without its GPUs.",
            steps=(
                "Wait two to ten minutes, in case it is booting.",
                "Open its console through the BMC.",
            ),
        ),
        Alert(
            name="ServerOff",
            severity=Severity.CRITICAL,
            expr=f"{of(SERVER, 'power')} < {limit.SERVER_OFF}",
            hold=60,
            summary="{{ $labels.instance }} in rack {{ $labels.rack }} draws "
            '{{ $value | printf "%.0f" }} W: it is switched off',
            meaning="Its BMC answers, but the server is off: switched off by hand, by a power "
            "policy, or by its own protection.",
            steps=("Read the BMC's event log.", "Switch the server on."),
        ),
    ),
)

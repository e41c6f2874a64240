"""Thresholds of the alert rules: the value, unit and source of each."""

from __future__ import annotations

from twin.alerts.model import Threshold

__all__ = ["THRESHOLDS"]

# -- NVLink domains, power shelves, trays ---------------------------------------------

NVLINK_RECOVERIES = Threshold(
    "nvlink_recoveries",
    2,
    "in 10 min",
    "one link of 5,760 recovered three times in 21 min, five days before it failed (marin#9086); "
    "the others never",
)
NVLINK_BAD_SIGNAL = Threshold("nvlink_bad_signal", 15, "", "status opcode of mlxlink: bad signal")
DOMAIN_DEGRADED = Threshold(
    "domain_degraded", 0.5, "of the GPUs", "est.: a switch tray takes links from all"
)
SMOOTHING_LIFETIME = Threshold(
    "smoothing_lifetime",
    10,
    "%",
    "est.: time to order and change a tray before its circuits wear out",
)
TRAY_VOLTS = Threshold("tray_volts", 48.5, "V", "est.: captured trays have 49.9 V idle")
LEAK_LOW = Threshold("leak_low", 1.3, "V", "lower critical limit of the detectors (Redfish)")
LEAK_HIGH = Threshold("leak_high", 2.0, "V", "upper critical limit of the detectors (Redfish)")

# -- GPUs -----------------------------------------------------------------------------

GPU_HOT = Threshold(
    "gpu_hot", 85, "°C", "2 K below the temperature at which an H100 slows down (nvidia-smi: 87 °C)"
)
GPU_MEMORY_HOT = Threshold(
    "gpu_memory_hot", 92, "°C", "3 K below the limit of HBM3 (H100 product brief: 95 °C)"
)
AMD_GPU_HOT = Threshold(
    "amd_gpu_hot",
    97,
    "°C",
    "3 K below the temperature at which an MI300X slows down (amd-smi: 100 °C)",
)
GPU_THROTTLED = Threshold(
    "gpu_throttled",
    0.05,
    "share of time",
    "est.: a GPU with enough coolant never throttles because of heat",
)
GPU_POWER_THROTTLED = Threshold(
    "gpu_power_throttled",
    0.5,
    "share of time",
    "est.: dense training is at the power limit most of the time; the clock tells who is short",
)
GPU_POWER_SHORT = Threshold(
    "gpu_power_short",
    0.85,
    "of the upper quartile of clocks",
    "est.: dense training at the usual power limit keeps 0.88 of the clock of lighter work",
)
GPU_CLOCK_LOW = Threshold(
    "gpu_clock_low",
    0.76,
    "of the median clock",
    "est.: GPUs in dense training at their power limit keep at least 0.84 of the greatest clock",
)
GPU_BRAKED = Threshold(
    "gpu_braked",
    0.6,
    "of the median clock",
    "NVIDIA's power brake halves the clock; the rest is margin",
)
GPU_HANG_POWER = Threshold(
    "gpu_hang_power",
    0.85,
    "of the median power",
    "H100: 120 W with an idle context, 157 W in a collective (measured)",
)
GPU_SPINNING_TENSOR = Threshold(
    "gpu_spinning_tensor",
    0.01,
    "tensor activity",
    "a GPU that waits in a collective computes nothing",
)
GPU_SPINNING_UTILIZATION = Threshold(
    "gpu_spinning_utilization", 95, "%", "a GPU that waits in a collective shows 100 % (measured)"
)
GPU_REPLAYS = Threshold(
    "gpu_pcie_replays", 8 / 60, "a second", "DCGM's health watch warns at 8 replays a minute"
)
GPU_NVLINK_ERRORS = Threshold(
    "gpu_nvlink_errors", 1, "a second", "est.: healthy NVLinks show none in hours"
)
GPU_SINGLE_BIT = Threshold(
    "gpu_single_bit_errors", 0.1, "a second", "est.: healthy H100 memory shows none in days"
)

# -- network --------------------------------------------------------------------------

NIC_FLAPS = Threshold("nic_flaps", 1.5, "in 15 min", "a single loss of a link may be maintenance")
NIC_RATE = Threshold(
    "nic_rate", 0.99, "of the median rate", "rates go in steps: 400, 200, 100 Gb/s"
)
NIC_LOSS = Threshold(
    "nic_loss", 1e-5, "of the packets", "RoCE loses about 0.2 % of throughput there (go-back-N)"
)
NIC_SYMBOL_ERRORS = Threshold(
    "nic_symbol_errors", 1, "a second", "est.: error correction leaves none on a healthy link"
)
OPTIC_DARK = Threshold(
    "optic_dark", -30, "dBm", "below this there is no light and the link is down"
)
PFC_PAUSES = Threshold(
    "pfc_pauses", 1000, "a second", "est.: bursts of healthy training cause a few tens a second"
)
FABRIC_MARKED = Threshold(
    "fabric_marked", 1.4e-4, "of the packets", "est.: above what bursts of healthy training cause"
)

# -- cooling --------------------------------------------------------------------------

COOLANT_FLOW = Threshold(
    "coolant_flow",
    0.8,
    "L/min per kW of servers",
    "1.0 to 1.5 L/min per kW of heat are needed (OCP); liquid takes about 87 % of the heat",
)
COOLANT_RISE = Threshold(
    "coolant_rise", 15, "K", "8 to 12 K between supply and return is usual (OCP)"
)
COOLANT_HOT = Threshold("coolant_hot", 40, "°C", "upper end of ASHRAE class W40")
COOLANT_ABOVE_OTHERS = Threshold(
    "coolant_above_others", 2.5, "K", "est.: the controllers hold their setpoint to within 1 K"
)
PUMP_VIBRATION = Threshold(
    "pump_vibration", 1.5, "times the site's median", "est.: normalised by the square of speed"
)
COOLANT_LEVEL = Threshold(
    "coolant_level", 0.7, "of the reservoir", "est.: pumps stop at 20 % to protect themselves"
)
FILTER_PRESSURE = Threshold(
    "filter_pressure", 60_000, "Pa", "est.: three times that of a clean 50 µm filter"
)
VALVE_ERROR = Threshold(
    "valve_error", 0.1, "of full stroke", "est.: an actuator follows within seconds"
)
CONDENSATION_MARGIN = Threshold(
    "condensation_margin", 2, "K", "supply at least 2 to 3 K above the dew point (OCP)"
)
FANS_FAST = Threshold(
    "fans_fast", 0.885, "of the maximum speed", "est.: fans run at 75 to 80 % under load"
)
INLET_ABOVE_OTHERS = Threshold(
    "inlet_above_others", 3, "K", "est.: racks of one hall get the same air, within 1 to 2 K"
)
WATER_WARM = Threshold(
    "water_warm",
    28,
    "°C",
    "est.: 4 K above the setpoint all valves are fully open and the coolant warms",
)
ROOM_WARM = Threshold("room_warm", 32, "°C", "ASHRAE TC 9.9, upper end of class A1")
ROOM_DEW_POINT = Threshold("room_dew_point", 17, "°C", "ASHRAE TC 9.9, upper end of class A1")
OUTDOOR_HOT = Threshold(
    "outdoor_hot", 35, "°C", "est.: chillers are usually rated there and lose capacity above"
)

# -- rack power -----------------------------------------------------------------------

PDU_DEAD = Threshold("pdu_dead", 50, "V", "far below the phase voltage of any grid")
PHASE_IMBALANCE = Threshold(
    "phase_imbalance", 0.3, "of the mean current", "est.: healthy PDUs stay below 10 to 15 %"
)
PHASE_LIGHT = Threshold("phase_light", 2, "A", "est.: below this the imbalance is noise")
SERVER_OFF = Threshold(
    "server_off", 100, "W", "est.: an idle server draws over 1 kW, its BMC about 20 W"
)

# -- Megapacks, generators, grid ------------------------------------------------------

MEGAPACK_CHARGE = Threshold(
    "megapack_charge", 0.15, "state of charge", "est.: 5 % above the lower end of the window"
)
MEGAPACK_HOT = Threshold(
    "megapack_hot", 45, "°C", "est.: LFP modules; the units lower their limits from here on"
)
MEGAPACK_CELL_SPREAD = Threshold(
    "megapack_cell_spread",
    0.1,
    "V",
    "LFP strings: 4 mV when rested, 230 mV when nearly empty (measured)",
)
MEGAPACK_DERATED = Threshold(
    "megapack_derated", 0.8, "of the strongest unit", "est.: all units of a site are of one kind"
)
MEGAPACK_RESERVE = Threshold(
    "megapack_reserve", 600, "s", "est.: time for shedding load in a controlled way"
)
GRID_VOLTAGE = Threshold("grid_voltage", 0.1, "of the day's median", "IEEE 1547: 88 to 110 %")
GRID_FREQUENCY = Threshold(
    "grid_frequency", 0.5, "Hz", "IEEE 1547-2003: 59.5 to 60.5 Hz is the normal range"
)
GRID_RAMP = Threshold(
    "grid_ramp", 0.05, "of the limit per second", "est.: the ramp that the Megapacks let through"
)
GRID_SWING = Threshold(
    "grid_swing", 0.1, "of the limit", "est.: utilities ask for caps of this kind"
)
GENSET_FUEL = Threshold("genset_fuel", 0.25, "of the tank", "est.: six hours at full load")

# -- storage --------------------------------------------------------------------------

DISK_BUSY = Threshold(
    "disk_busy", 0.9, "share of time", "checkpoints keep disks busy for only seconds"
)
FILESYSTEM_LEFT = Threshold(
    "filesystem_left", 0.1, "of its size", "NVMe slows down when nearly full"
)

# -- scheduler ------------------------------------------------------------------------

NODES_IDLE = Threshold(
    "nodes_idle", 0.4, "of the nodes", "est.: a job that waits for nodes leaves fewer idle"
)
JOBS_FINISHED = Threshold(
    "jobs_finished", 3, "jobs", "est.: a share of fewer means nothing; slurmctld keeps them 300 s"
)
JOBS_FAILED = Threshold(
    "jobs_failed", 0.5, "of the jobs that ended", "est.: 10 to 20 % of jobs fail on their own"
)

# -- hosts ----------------------------------------------------------------------------

HOST_ROOT_LEFT = Threshold(
    "host_root_left", 0.1, "of its size", "mkfs.ext4 reserves the last 5 % for root"
)
HOST_MEMORY_LEFT = Threshold(
    "host_memory_left", 0.05, "of the memory", "est.: a training host keeps 80 % or more available"
)
HOST_CPU_WAITING = Threshold(
    "host_cpu_waiting", 0.25, "share of time", "est.: training hosts wait for CPUs 2 % of the time"
)
HOST_CLOCK_OFF = Threshold(
    "host_clock_off", 0.05, "s", "node_exporter's mixin; NTP holds microseconds in a LAN"
)
HOST_ECC_ERRORS = Threshold(
    "host_ecc_errors", 0.05, "a second", "est.: healthy modules show none in days"
)

# -- job ------------------------------------------------------------------------------

SPINNING_SHARE = Threshold(
    "spinning_share", 0.05, "of the site's GPUs", "est.: a job on 5 % of the site is worth a page"
)
STEP_SLOW = Threshold(
    "step_slow", 1.05, "times the day's best steps", "steps of a job differ by 1 % (measured)"
)
CHECKPOINT_AGE = Threshold(
    "checkpoint_age", 3600, "s", "est.: a crash should cost at most an hour of work"
)
CHECKPOINT_SLOW = Threshold("checkpoint_slow", 45, "s", "ranks usually wait 16 to 28 s (measured)")
CHECKPOINT_SHARE = Threshold(
    "checkpoint_share", 0.12, "of the time", "at most 6 % was measured: 16 s every 252 s"
)
RESTARTS = Threshold("restarts", 2.5, "in an hour", "est.: three in an hour are not a coincidence")
GOODPUT_FAST = Threshold(
    "goodput_fast", 0.6, "of the time lost", "est.: six times what goodput of 90 % allows (Llama 3)"
)
GOODPUT_SLOW = Threshold(
    "goodput_slow", 0.2, "of the time lost", "est.: twice what goodput of 90 % allows (Llama 3)"
)

# -- serving --------------------------------------------------------------------------

FIRST_TOKEN_LATE = Threshold(
    "first_token_late", 2, "s", "MLPerf Inference v4.1, Llama 2 70B Server: at most 2 s to a token"
)
TOKEN_SLOW = Threshold(
    "token_slow", 0.2, "s", "MLPerf Inference v4.1, Llama 2 70B Server: at most 200 ms a token"
)
REQUESTS_QUEUEING = Threshold(
    "requests_queueing", 0.1, "of the requests that run", "est.: a batch with room has no queue"
)
REQUESTS_ABORTED = Threshold(
    "requests_aborted", 0.02, "of the requests", "est.: a few clients always close a connection"
)
CACHE_FULL = Threshold(
    "cache_full", 0.97, "of the blocks", "est.: beyond, vLLM preempts requests and reads them again"
)

# -- telemetry ------------------------------------------------------------------------

LATE_TICKS = Threshold(
    "late_ticks", 0.05, "of the ticks", "est.: a few late ticks are normal on a busy machine"
)
REFUSED = Threshold("messages_refused", 10, "in 5 min", "a few bad messages may be sent by hand")
CLOCK_SKEW = Threshold("clock_skew", 5, "s", "est.: NTP holds milliseconds")
HEAT_BALANCE = Threshold(
    "heat_balance", 0.15, "of the heat", "est.: accuracy of two flow meters and four thermometers"
)
COOLANT_HEAT_CAPACITY = Threshold(
    "coolant_heat_capacity", 4010, "J/(L K)", "25 % propylene glycol; water: 4180"
)
COOLANT_STEADY = Threshold(
    "coolant_steady",
    5,
    "K in 5 min",
    "est.: the heat stored in a rack's coolant is below the meters' error",
)
FLOW_NOISE = Threshold(
    "flow_noise", 0.1, "of the mean flow", "est.: flow meters are accurate to a few percent"
)

# -- observer -------------------------------------------------------------------------

SHADOW_COVERED = Threshold(
    "shadow_covered", 0.7, "of the day's best", "est.: a rack of eight that is silent leaves 0.87"
)
SHADOW_DRIFT = Threshold(
    "shadow_drift", 0.05, "of the parameter", "est.: healthy devices show 0.01 in hours"
)
SHADOW_LATE = Threshold("shadow_late", 5, "blocks", "est.: a report is at most two blocks old")

THRESHOLDS = tuple(value for value in tuple(globals().values()) if isinstance(value, Threshold))
"""All thresholds, in the order of this file."""

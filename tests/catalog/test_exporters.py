"""Foreign metrics: what the real exporters say, written out once more by hand."""

from __future__ import annotations

import re

import pytest

from twin.catalog import (
    CPU,
    DEVICES,
    ENGINE,
    ENGINE_HISTOGRAMS,
    GPU,
    NIC,
    PORT,
    PSU,
    SERVER,
    STORAGE,
    XID_TEXT,
    MetricType,
)
from twin.catalog.host.kind import hosts_shown
from twin.site import load_site

DCGM_DEFAULT = """
DCGM_FI_DEV_SM_CLOCK,  gauge, SM clock frequency (in MHz).
DCGM_FI_DEV_MEM_CLOCK, gauge, Memory clock frequency (in MHz).
DCGM_FI_DEV_MEMORY_TEMP, gauge, Memory temperature (in C).
DCGM_FI_DEV_GPU_TEMP,    gauge, GPU temperature (in C).
DCGM_FI_DEV_POWER_USAGE,              gauge, Power draw (in W).
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION, counter, Total energy consumption since boot (in mJ).
DCGM_FI_DEV_PCIE_REPLAY_COUNTER, counter, Total number of PCIe retries.
DCGM_FI_DEV_GPU_UTIL,      gauge, GPU utilization (in %).
DCGM_FI_DEV_MEM_COPY_UTIL, gauge, Memory utilization (in %).
DCGM_FI_DEV_ENC_UTIL,      gauge, Encoder utilization (in %).
DCGM_FI_DEV_DEC_UTIL ,     gauge, Decoder utilization (in %).
DCGM_FI_DEV_XID_ERRORS,              gauge,   Value of the last XID error encountered.
DCGM_FI_DEV_FB_FREE, gauge, Framebuffer memory free (in MiB).
DCGM_FI_DEV_FB_USED, gauge, Framebuffer memory used (in MiB).
DCGM_FI_DEV_FB_RESERVED, gauge, Framebuffer memory reserved (in MiB).
DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL, counter, Total number of NVLink bandwidth counters for all lanes.
DCGM_FI_DEV_VGPU_LICENSE_STATUS, gauge, vGPU License status
DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS, counter, Number of remapped rows for uncorrectable errors
DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS,   counter, Number of remapped rows for correctable errors
DCGM_FI_DEV_ROW_REMAP_FAILURE,           gauge,   Whether remapping of rows has failed
DCGM_FI_PROF_GR_ENGINE_ACTIVE,   gauge, Ratio of time the graphics engine is active.
DCGM_FI_PROF_PIPE_TENSOR_ACTIVE, gauge, Ratio of cycles the tensor (HMMA) pipe is active.
DCGM_FI_PROF_DRAM_ACTIVE, gauge, Ratio of cycles the device memory interface is active sending or receiving data.
DCGM_FI_PROF_PCIE_TX_BYTES, gauge, The rate of data transmitted over the PCIe bus - including both protocol headers and data payloads - in bytes per second.
DCGM_FI_PROF_PCIE_RX_BYTES, gauge, The rate of data received over the PCIe bus - including both protocol headers and data payloads - in bytes per second.
"""  # noqa: E501 - the rows as etc/default-counters.csv of dcgm-exporter 4.5.3-4.8.2 has them
DCGM_OFFERED = """
DCGM_FI_DEV_POWER_VIOLATION,       counter, Throttling duration due to power constraints (in ns).
DCGM_FI_DEV_THERMAL_VIOLATION,     counter, Throttling duration due to thermal constraints (in ns).
DCGM_FI_DEV_ECC_SBE_VOL_TOTAL, counter, Total number of single-bit volatile ECC errors.
DCGM_FI_DEV_ECC_DBE_VOL_TOTAL, counter, Total number of double-bit volatile ECC errors.
DCGM_FI_DEV_ECC_SBE_AGG_TOTAL, counter, Total number of single-bit persistent ECC errors.
DCGM_FI_DEV_ECC_DBE_AGG_TOTAL, counter, Total number of double-bit persistent ECC errors.
DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL, counter, Total number of NVLink flow-control CRC errors.
DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL,   counter, Total number of NVLink retries.
DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL, counter, Total number of NVLink recovery errors.
DCGM_FI_PROF_SM_ACTIVE,          gauge, The ratio of cycles an SM has at least 1 warp assigned.
DCGM_FI_PROF_SM_OCCUPANCY,       gauge, The ratio of number of warps resident on an SM.
"""  # noqa: E501 - the rows that the same file has commented out

NODE = """
node_ethtool_received_corrected_bits_phy untyped
node_ethtool_received_prio3_pause untyped
node_ethtool_received_symbol_err_phy untyped
node_ethtool_transmitted_prio3_pause untyped
node_infiniband_info gauge
node_infiniband_link_downed_total counter
node_infiniband_link_error_recovery_total counter
node_infiniband_local_ack_timeout_errors_total counter
node_infiniband_np_cnp_packets_sent_total counter
node_infiniband_np_ecn_marked_roce_packets_received_total counter
node_infiniband_out_of_buffer_drops_total counter
node_infiniband_out_of_sequence_packets_received_total counter
node_infiniband_packet_sequence_errors_total counter
node_infiniband_physical_state_id gauge
node_infiniband_port_data_received_bytes_total counter
node_infiniband_port_data_transmitted_bytes_total counter
node_infiniband_port_discards_received_total counter
node_infiniband_port_discards_transmitted_total counter
node_infiniband_port_errors_received_total counter
node_infiniband_port_packets_received_total counter
node_infiniband_port_packets_transmitted_total counter
node_infiniband_port_transmit_wait_total counter
node_infiniband_rate_bytes_per_second gauge
node_infiniband_roce_adp_retransmits_total counter
node_infiniband_rp_cnp_packets_handled_total counter
node_infiniband_state_id gauge
node_infiniband_symbol_error_total counter
node_network_carrier_changes_total counter
node_network_receive_bytes_total counter
node_network_receive_drop_total counter
node_network_receive_errs_total counter
node_network_speed_bytes gauge
node_network_transmit_bytes_total counter
node_network_up gauge
transceiver_laser_bias_current_milliamperes gauge
transceiver_laser_rx_power_dbm gauge
transceiver_laser_rx_power_low_warning_threshold_dbm gauge
transceiver_laser_tx_power_dbm gauge
transceiver_module_temperature_degrees_celsius gauge
transceiver_module_temperature_high_alarm_threshold_degrees_celsius gauge
transceiver_module_voltage_volts gauge
"""


def csv_rows(text: str) -> set[tuple[str, ...]]:
    """Return name, type and help of every row."""
    return {
        tuple(cell.strip() for cell in line.split(",", 2)) for line in text.strip().splitlines()
    }


@pytest.mark.parametrize(("extra", "table"), [(False, DCGM_DEFAULT), (True, DCGM_OFFERED)])
def test_gpu_metrics_are_dcgm_exporters(extra: bool, table: str) -> None:
    """Name, type and help of every GPU metric are those of the exporter's own table."""
    ours = {
        (s.metric, s.kind.value, s.help)
        for s in GPU
        if s.extra is extra and not s.listed and s.needs(load_site("demo"))
    }
    assert ours == csv_rows(table)


def test_gpu_labels_are_in_dcgm_exporters_order() -> None:
    """The order is part of what a scrape shows."""
    for signal in GPU:
        assert signal.family.labels == (
            "gpu",
            "UUID",
            "pci_bus_id",
            "device",
            "modelName",
            "Hostname",
            "DCGM_FI_DRIVER_VERSION",
        )
        assert (signal.family.job, signal.family.port) == ("dcgm-exporter", 9400)


def test_xid_adds_its_code_and_its_text() -> None:
    """The XID metric carries err_code and err_msg, and no error is code 0."""
    for code, labels in GPU["xid"].value_labels.items():
        assert labels == (("err_code", str(code)), ("err_msg", XID_TEXT[code]))
    assert XID_TEXT[0] == "No Error"
    assert XID_TEXT[79] == "GPU has fallen off the bus"


def test_nic_metrics_are_the_exporters() -> None:
    """Name and type of every NIC metric are those of the collectors."""
    assert sorted(f"{s.metric} {s.kind.value}" for s in NIC) == NODE.strip().splitlines()


@pytest.mark.parametrize(
    ("prefix", "job", "port", "labels"),
    [
        ("node_infiniband_", "node-exporter", 9100, ("device", "port")),
        ("node_network_", "node-exporter", 9100, ("device",)),
        ("node_ethtool_", "node-exporter", 9100, ("device",)),
        ("transceiver_module_", "transceiver-exporter", 9458, ("interface",)),
        ("transceiver_laser_", "transceiver-exporter", 9458, ("interface", "laser_index")),
    ],
)
def test_nic_labels_are_the_exporters(
    prefix: str, job: str, port: int, labels: tuple[str, ...]
) -> None:
    """Each collector names the same port in its own way."""
    found = {s.family for s in NIC if s.metric.startswith(prefix) and s.name != "info"}
    assert {(f.job, f.port, f.labels) for f in found} == {(job, port, labels)}
    assert NIC["info"].family.labels == ("board_id", "device", "firmware_version", "hca_type")


def test_off_by_default_are_the_collectors_that_are() -> None:
    """node_exporter's ethtool collector and the optics exporter are extra, the rest is not."""
    for signal in NIC:
        optional = signal.metric.startswith(("node_ethtool_", "transceiver_"))
        assert signal.extra is optional, signal.metric


def test_server_metrics_are_ipmi_exporters() -> None:
    """Name and type of server and PSU metrics are ipmi_exporter's; up is Prometheus' own."""
    assert {(s.metric, s.kind) for device in (SERVER, PSU) for s in device} == {
        ("ipmi_dcmi_power_consumption_watts", MetricType.GAUGE),
        ("ipmi_temperature_celsius", MetricType.GAUGE),
        ("ipmi_power_watts", MetricType.GAUGE),
        ("ipmi_power_state", MetricType.GAUGE),
        ("ipmi_temperature_state", MetricType.GAUGE),
        ("ipmi_up", MetricType.GAUGE),
        ("up", MetricType.GAUGE),
    }


def test_every_scraped_exporter_of_a_server_has_an_up() -> None:
    """Rules on ``up`` find the exporters that answer on every server."""
    ups = {s.family.job for s in SERVER if s.metric == "up"}
    jobs = {
        s.family.job
        for device in DEVICES
        if device.name in {"gpu", "neuron", "neuroncore", "neuron_runtime", "nic", "server", "psu"}
        for s in device
        if not s.extra
    }
    assert ups == jobs


def test_port_metrics_are_snmp_exporters() -> None:
    """Name, type and labels are those of the exporter's if_mib module."""
    assert {(s.metric, s.kind) for s in PORT} == {
        ("ifHCInOctets", MetricType.COUNTER),
        ("ifHCOutOctets", MetricType.COUNTER),
        ("ifHighSpeed", MetricType.GAUGE),
        ("ifInErrors", MetricType.COUNTER),
        ("ifOperStatus", MetricType.GAUGE),
        ("ifOutDiscards", MetricType.COUNTER),
    }
    for signal in PORT:
        assert signal.family.labels == ("ifAlias", "ifDescr", "ifIndex", "ifName")
        assert (signal.family.job, signal.family.port) == ("snmp-exporter", None)
        assert signal.help[-1].isdigit()


def test_storage_metrics_are_node_exporters() -> None:
    """What a storage server says at every level of its hosts has the exporters' names."""
    always = [s for s in STORAGE if s.needs is not hosts_shown]
    assert {s.metric for s in always} == {
        "ipmi_dcmi_power_consumption_watts",
        "node_disk_io_time_seconds_total",
        "node_disk_read_bytes_total",
        "node_disk_written_bytes_total",
        "node_filesystem_avail_bytes",
        "node_filesystem_size_bytes",
        "node_load1",
        "node_memory_MemAvailable_bytes",
        "node_network_receive_bytes_total",
        "node_network_transmit_bytes_total",
        "up",
    }
    assert {s.metric for s in CPU} < {s.metric for s in STORAGE}
    assert {s.family.job for s in STORAGE} == {"node-exporter", "ipmi-exporter"}


VLLM = """
vllm:e2e_request_latency_seconds|histogram|Histogram of e2e request latency in seconds.
vllm:generation_tokens_total|counter|Number of generation tokens processed.
vllm:inter_token_latency_seconds|histogram|Histogram of inter-token latency in seconds.
vllm:kv_cache_usage_perc|gauge|KV-cache usage. 1 means 100 percent usage.
vllm:num_preemptions_total|counter|Cumulative number of preemption from the engine.
vllm:num_requests_running|gauge|Number of requests in model execution batches.
vllm:num_requests_waiting|gauge|Number of requests waiting to be processed.
vllm:prefix_cache_hits_total|counter|Prefix cache hits, in terms of number of cached tokens.
vllm:prefix_cache_queries_total|counter|Prefix cache queries, in terms of number of queried tokens.
vllm:prompt_tokens_total|counter|Number of prefill tokens processed.
vllm:request_decode_time_seconds|histogram|Histogram of time spent in DECODE phase for request.
vllm:request_generation_tokens|histogram|Number of generation tokens processed.
vllm:request_max_num_generation_tokens|histogram|Histogram of maximum number of requested generation tokens.
vllm:request_inference_time_seconds|histogram|Histogram of time spent in RUNNING phase for request.
vllm:request_prefill_time_seconds|histogram|Histogram of time spent in PREFILL phase for request.
vllm:request_prompt_tokens|histogram|Number of prefill tokens processed.
vllm:request_queue_time_seconds|histogram|Histogram of time spent in WAITING phase for request.
vllm:request_success_total|counter|Count of successfully processed requests.
vllm:request_time_per_output_token_seconds|histogram|Histogram of time_per_output_token_seconds per request.
vllm:time_to_first_token_seconds|histogram|Histogram of time to first token in seconds.
"""  # noqa: E501 - as vllm/v1/metrics/loggers.py of vLLM 0.30 has them


def test_engine_metrics_are_vllms() -> None:
    """Name, type and help of every metric of an engine are those of vLLM, and so are its labels."""
    ends = dict.fromkeys(MetricType, "") | {MetricType.HISTOGRAM: "_(bucket|count|sum)$"}
    ours = {f"{re.sub(ends[s.kind], '', s.metric)}|{s.kind.value}|{s.help}" for s in ENGINE}
    assert ours == set(VLLM.strip().splitlines())
    assert all(signal.family.labels == ("engine", "model_name") for signal in ENGINE)
    first = ENGINE_HISTOGRAMS["first_token"].bounds
    assert (first[0], first[9], first[-1], len(first)) == (0.001, 0.5, 2560.0, 22)

"""NICs, fabric and storage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.parameters.section import Amount, Fraction, Positive, Section

__all__ = ["NetworkParameters", "StorageParameters"]


class NetworkParameters(Section):
    """The NICs and how the fabric treats them."""

    bytes_per_second: Positive = 5e10
    """Line rate in B/s: 400 Gb/s."""
    hca_type: str = "MT4129"
    """Adapter type: MT4129 is a ConnectX-7, MT41692 a BlueField-3."""
    board_id: str = "MT_0000000838"
    """Board of the adapter."""
    firmware_version: str = "28.43.2026"
    """Firmware of the adapter."""
    packet_bytes: Positive = 4170.0
    """RoCEv2 packet in B: 4,096 of payload and its headers."""
    mark_threshold_ratio: Fraction = 0.85
    """Switches mark ECN above this utilisation, est."""
    mark_ratio: Fraction = 2e-4
    """Packets marked at full line rate, est."""
    optic_temperature_celsius: Positive = 42.0
    """Transceiver without traffic in °C, est."""
    optic_temperature_rise_kelvin: Amount = 11.0
    """Rise at line rate in K, est.: 45 to 65 °C in use, alarm at 75 °C."""
    optic_light_lost_dbm: float = -7.0
    """Received light below which a link falls now and then in dBm, est."""
    retransmit_window_packets: Amount = 200.0
    """Packets that are sent again for each that is lost (go-back-N), est."""
    uplink_bytes_per_second: Positive = 1e11
    """Rate of a link between leaf and spine in B/s: 800 Gb/s (SN5600)."""
    spine_ports: Annotated[int, Field(ge=4, le=512)] = 64
    """Such links that a spine has ports for (SN5600)."""
    spine_ratio: Fraction = 0.9
    """Share of the compute traffic that crosses the spines, est.: peers in other arrays or on
    other rails."""
    adaptive_routing: bool = True
    """Whether the fabric spreads flows over all ways."""
    adaptive_throughput_ratio: Positive = 0.95
    """Share of line rate that collectives reach with it (NVIDIA, of Spectrum-X at Colossus)."""
    static_throughput_ratio: Positive = 0.6
    """The same without it: flows collide (NVIDIA, of ordinary Ethernet)."""
    discard_ratio: Fraction = 1e-4
    """Share of the traffic that a leaf drops when a burst needs twice its time, est.: flow control
    holds back most."""
    switch_idle_watts: Positive = 720.0
    """Switch without traffic in W, est.: its ASIC alone draws about 500 W."""
    switch_traffic_watts: Amount = 400.0
    """Further power at full traffic in W, optics included, est."""


class StorageParameters(Section):
    """The service racks: NVMe servers for checkpoints and data, CPU servers for the rest."""

    servers_per_thousand_gpus: Positive = 4.0
    """NVMe servers for each 1,000 GPUs, est."""
    servers_per_rack: Annotated[int, Field(ge=1, le=64)] = 16
    """NVMe servers in a service rack."""
    cpu_servers_per_thousand_gpus: Positive = 2.0
    """CPU servers for each 1,000 GPUs, est.: scheduler, data preparation, monitoring."""
    write_bytes_per_second: Positive = 2e10
    """What an NVMe server writes in B/s, est.: a checkpoint of 16 s is 1.9 GB a GPU."""
    read_bytes_per_second: Positive = 4e10
    """What an NVMe server reads in B/s, est."""
    capacity_bytes: Positive = 3.6e14
    """Disks of an NVMe server in B, est.: 24 of 15 TB."""
    memory_bytes: Positive = 5.5e11
    """Memory of a server in B, est.: 512 GiB."""
    cpu_threads: Annotated[int, Field(ge=32, le=1024)] = 128
    """CPU threads of a server, est.: two sockets of 32 cores."""
    server_idle_watts: Positive = 620.0
    """NVMe server without traffic in W, est."""
    server_busy_watts: Amount = 480.0
    """Further power when its disks are busy in W, est."""
    cpu_server_idle_watts: Positive = 320.0
    """CPU server without load in W, est."""
    cpu_server_busy_watts: Amount = 480.0
    """Further power at full load in W, est."""

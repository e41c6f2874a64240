"""What a site is made of: every number of the model, with its unit and its basis.

Each section in these modules is a part of a site's YAML. A number that is not measured is an
engineering estimate (marked *est.*) and can be overridden in the preset by its name.
Where a description names a measurement, it is one of these public sources:

* *MLPerf DC*: MLCommons ``training_results_v4.0``, Supermicro 64x8 H100, GPT-3, power
  of every node in watts DC (the trace that ships with the twin);
* *MLPerf AC*: the same repository, llama2-70b-lora on one node, AC and DC;
* *nvidia-smi*: ``nvidia-smi -q`` of H100 SXM hosts, as published in thamada/nvidia-smi.
"""

from __future__ import annotations

from twin.parameters.cooling import Cooling, Water
from twin.parameters.gpu import Block, GpuModel
from twin.parameters.network import Network, Storage
from twin.parameters.operation import Job, Telemetry, Training
from twin.parameters.power import Facility, Gensets, Grid, Megapacks, Pdu, Supply, Turbines
from twin.parameters.section import Section
from twin.parameters.server import Ec2, Server
from twin.parameters.site import Site

__all__ = [
    "Block",
    "Cooling",
    "Ec2",
    "Facility",
    "Gensets",
    "GpuModel",
    "Grid",
    "Job",
    "Megapacks",
    "Network",
    "Pdu",
    "Section",
    "Server",
    "Site",
    "Storage",
    "Supply",
    "Telemetry",
    "Training",
    "Turbines",
    "Water",
]

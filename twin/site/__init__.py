"""Sites: what a datacenter is made of, and the arithmetic between its levels."""

from twin.site.detail import DetailPlan
from twin.site.layout import Labels, Layout, Target
from twin.site.loader import (
    gpu_model_names,
    load_site,
    parse_site,
    preset_names,
    validation_message,
)
from twin.site.model import Site
from twin.site.parameters import GpuModel
from twin.site.part import PartLayout
from twin.site.series import BYTES_A_SERIES, plan_within
from twin.site.shard import FACILITY, Shard, owners, ranges, replica_of

__all__ = [
    "BYTES_A_SERIES",
    "FACILITY",
    "DetailPlan",
    "GpuModel",
    "Labels",
    "Layout",
    "PartLayout",
    "Shard",
    "Site",
    "Target",
    "gpu_model_names",
    "load_site",
    "owners",
    "parse_site",
    "plan_within",
    "preset_names",
    "ranges",
    "replica_of",
    "validation_message",
]

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
from twin.site.series import BYTES_A_SERIES

__all__ = [
    "BYTES_A_SERIES",
    "DetailPlan",
    "GpuModel",
    "Labels",
    "Layout",
    "Site",
    "Target",
    "gpu_model_names",
    "load_site",
    "parse_site",
    "preset_names",
    "validation_message",
]

"""Sites: counts, parameters, and the arithmetic between levels."""

from twin.parameters import GpuModel
from twin.parameters.site import Site
from twin.site.campus import campus_names, campus_of
from twin.site.detail import DetailPlan, HostPlan
from twin.site.editions import editions_of, exporting
from twin.site.identity import SiteNames
from twin.site.jobs import JobPlace, job_of, job_places
from twin.site.labels import (
    derived_labels,
    derived_split,
    place_labels,
    series_copies,
    series_labels,
)
from twin.site.layout import Layout
from twin.site.loader import (
    campus_sites,
    gpu_model_names,
    load_gpu_model,
    load_site,
    parse_site,
    preset_names,
    short_model_name,
    site_text,
)
from twin.site.mixes import mix_names, mix_title
from twin.site.part import PartLayout
from twin.site.profiles import profile_names, profile_of, shipped_profiles
from twin.site.rollups import rollup_labels, site_rollups
from twin.site.scheduled import ScheduledFigures
from twin.site.series import (
    BYTES_A_SERIES,
    count_series,
    plan_within,
    series_by_detail,
    series_by_host,
)
from twin.site.shard import FACILITY, Shard, owners, ranges, replica_of
from twin.site.target import Target, address_of, find_target, labels_of_target

__all__ = [
    "BYTES_A_SERIES",
    "FACILITY",
    "DetailPlan",
    "GpuModel",
    "HostPlan",
    "JobPlace",
    "Layout",
    "PartLayout",
    "ScheduledFigures",
    "Shard",
    "Site",
    "SiteNames",
    "Target",
    "address_of",
    "campus_names",
    "campus_of",
    "campus_sites",
    "count_series",
    "derived_labels",
    "derived_split",
    "editions_of",
    "exporting",
    "find_target",
    "gpu_model_names",
    "job_of",
    "job_places",
    "labels_of_target",
    "load_gpu_model",
    "load_site",
    "mix_names",
    "mix_title",
    "owners",
    "parse_site",
    "place_labels",
    "plan_within",
    "preset_names",
    "profile_names",
    "profile_of",
    "ranges",
    "replica_of",
    "rollup_labels",
    "series_by_detail",
    "series_by_host",
    "series_copies",
    "series_labels",
    "shipped_profiles",
    "short_model_name",
    "site_rollups",
    "site_text",
]

"""Templates of annotations in another edition."""

from __future__ import annotations

import pytest

from twin.catalog.editions import edition
from twin.translation import Renaming, labels_in, renaming, template


@pytest.fixture(scope="module")
def way() -> Renaming:
    """From 4.8.2 to 4.9.0."""
    return renaming(edition("dcgm", "4.8.2"), edition("dcgm", "4.9.0"))


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("{{ $labels.Hostname }} is hot", "{{ $labels.hostname }} is hot"),
        ('{{ index $labels "Hostname" }}', '{{ index $labels "hostname" }}'),
        ("{{ $labels.Hostnames }} Hostname", "{{ $labels.Hostnames }} Hostname"),
        ('{{ $value | printf "%.0f" }} MHz', '{{ $value | printf "%.0f" }} MHz'),
        (
            '{{ range query "DCGM_FI_DEV_SM_CLOCK < 5" }}{{ .Labels.Hostname }}{{ end }}',
            (
                '{{ range query "DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6 < 5" }}'
                "{{ .Labels.hostname }}{{ end }}"
            ),
        ),
        (
            '{{ query (printf "DCGM_FI_DEV_GPU_TEMP{Hostname=%q}" $labels.Hostname) }}',
            '{{ query (printf "DCGM_FI_DEV_GPU_TEMP_CELSIUS{hostname=%q}" $labels.hostname) }}',
        ),
        (
            '{{ query "DCGM_FI_DEV_GPU_TEMP{gpu=\\"0\\"}" }}',
            '{{ query "DCGM_FI_DEV_GPU_TEMP_CELSIUS{gpu=\\"0\\"}" }}',
        ),
    ],
)
def test_labels_and_queries_are_renamed(text: str, new: str, way: Renaming) -> None:
    """Only what a template does is changed, and not what stands around it."""
    assert template(text, way) == new


def test_with_both_a_verb_that_stands_twice_has_a_number(way: Renaming) -> None:
    """The selector stands twice then, and printf has one argument for it."""
    text = '{{ query (printf "DCGM_FI_DEV_GPU_TEMP{gpu=%q} and x{y=%q}" $a $b) }}'
    assert template(text, way, both=True) == (
        '{{ query (printf "(DCGM_FI_DEV_GPU_TEMP{gpu=%[1]q} or '
        'DCGM_FI_DEV_GPU_TEMP_CELSIUS{gpu=%[1]q}) and x{y=%[2]q}" $a $b) }}'
    )
    assert template("{{ $labels.Hostname }}", way, both=True) == "{{ $labels.Hostname }}"


def test_labels_of_a_text_are_found(way: Renaming) -> None:
    """What a text names of the labels that change, so that they can be kept."""
    assert labels_in('{{ $labels.Hostname }} {{ index $labels "gpu" }}', way) == {"Hostname"}
    assert labels_in("Hostname {{ $labels.gpu }}", way) == frozenset()

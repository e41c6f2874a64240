"""A user's own site: every mistake is one sentence with its place and its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.catalog import GPU
from twin.errors import ConfigError
from twin.site import (
    Layout,
    gpu_model_names,
    load_site,
    parse_site,
    preset_names,
    series_labels,
    short_model_name,
)

LEAST = "name: mine\nracks: 3\n"
MODELS = "b200-sxm, b300-sxm, gb200, gb300, h100-sxm, h200-sxm, l40s, mi300x, trainium2"


def test_least_site_needs_a_name_and_a_count() -> None:
    """Everything else has a default."""
    site = parse_site(LEAST, "mine.yaml")
    assert (site.name, site.gpus, site.gpu.key) == ("mine", 3 * 64, "h100-sxm")


def test_site_is_read_from_a_file(tmp_path: Path) -> None:
    """A path with a slash or a YAML ending is a file, not a preset."""
    path = tmp_path / "mine.yaml"
    path.write_text(LEAST)
    assert load_site(str(path)).racks == 3


@pytest.mark.parametrize(("short", "name"), [("h200", "h200-sxm"), ("gb200", "gb200")])
def test_gpu_model_has_a_short_name(short: str, name: str) -> None:
    """A shipped model is found by its name and by the part of it before the dash."""
    for known in (short, name):
        assert parse_site(f"{LEAST}gpu: {known}", "x").gpu.key == name
    blocks = f"name: mine\nblocks: [{{racks: 1, gpu: {short}}}]"
    assert parse_site(blocks, "x").blocks[0].gpu.key == name


def test_short_names_are_one_models_each() -> None:
    """No short name is that of two models, nor the name of another one."""
    names = gpu_model_names()
    assert len({short_model_name(name) for name in names}) == len(names)


def test_gpu_model_may_be_a_section(tmp_path: Path) -> None:
    """A GPU that is not shipped is written out in the site."""
    shipped = load_site("demo").gpu.model_dump(mode="json")
    lines = "".join(
        f"  {key}: {value}\n" for key, value in {**shipped, "key": "x1", "name": "X1"}.items()
    )
    path = tmp_path / "x.yml"
    path.write_text(f"{LEAST}gpu:\n{lines}")
    assert load_site(str(path)).gpu.name == "X1"


def test_number_may_be_written_with_an_exponent() -> None:
    """YAML takes 2e6 for a text, people do not."""
    assert parse_site(f"{LEAST}grid: {{limit_watts: 2e6}}", "x").grid.limit_watts == 2e6


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "mine.yaml: must be a mapping of keys to values, not NoneType"),
        ("- a", "mine.yaml: must be a mapping of keys to values, not list"),
        ("racks: 1", "mine.yaml: name: is missing and must be given"),
        ("name: mine", "mine.yaml: racks: is missing and must be given"),
        (
            "name: mine\nracks: 0",
            "mine.yaml: racks: is 0; input should be greater than or equal to 1",
        ),
        (
            "name: My site\nracks: 1",
            (
                "mine.yaml: name: is 'My site'; "
                "string should match pattern '^[a-z0-9][a-z0-9-]{0,62}$'"
            ),
        ),
        (
            f"{LEAST}rackz: 2",
            "mine.yaml: rackz: there is no such key; remove it or correct its spelling",
        ),
        (
            f"{LEAST}server: {{gpu: 8}}",
            "mine.yaml: server.gpu: there is no such key; remove it or correct its spelling",
        ),
        (
            f"{LEAST}cooling: {{loop_pressure_pascals: 400000}}",
            (
                "mine.yaml: cooling: is {'loop_pressure_pascals': 400000}; loop_pressure_pascals "
                "is 400,000, but at pump_nominal_ratio 0.6 the pumps give 302,400 Pa even without "
                "flow; raise pump_head_pascals or pump_nominal_ratio"
            ),
        ),
        (
            f"{LEAST}server: {{gpus: 99}}",
            "mine.yaml: server.gpus: is 99; input should be less than or equal to 32",
        ),
        (
            f"{LEAST}server: 3",
            "mine.yaml: server: is 3; it must be a section of keys and values",
        ),
        (
            f"{LEAST}cooling:",
            "mine.yaml: cooling: is None; it must be a section of keys and values",
        ),
        (
            f"{LEAST}grid: {{limit_watts: .inf}}",
            "mine.yaml: grid.limit_watts: is inf; input should be a finite number",
        ),
        (
            f"{LEAST}cooling: {{liquid_ratio: .nan}}",
            "mine.yaml: cooling.liquid_ratio: is nan; input should be less than or equal to 1",
        ),
        (
            f"{LEAST}gpu: h20",
            f"mine.yaml: gpu: is 'h20'; the shipped models are {MODELS}",
        ),
        (
            f"{LEAST}gpu: ../devices/h100-sxm",
            f"mine.yaml: gpu: is '../devices/h100-sxm'; the shipped models are {MODELS}",
        ),
        (
            f"{LEAST}gpu: 5",
            f"mine.yaml: gpu: is 5; give a shipped model ({MODELS}) or a section",
        ),
        (
            f"{LEAST}halls: 5",
            "mine.yaml: halls is 5, but 3 racks make only 1 arrays; a hall holds at least one",
        ),
        (
            f"{LEAST}water: {{chillers: 2, spare: 2}}",
            (
                "mine.yaml: water: is {'chillers': 2, 'spare': 2}; spare is 2, but there are only "
                "2 chillers; at least one has to run"
            ),
        ),
        (
            f"{LEAST}racks: 4",
            "mine.yaml:3:1: the key 'racks' is given twice",
        ),
        (
            "name: mine\nracks: [1,",
            "mine.yaml:3:1: is not YAML: did not find expected node content",
        ),
        ("a: \0", "mine.yaml: is not YAML: unacceptable character #x0000: control"),
        ("a: " + "[" * 100_000, "mine.yaml:1:103: it is nested too deeply"),
    ],
)
def test_mistake_is_one_sentence(text: str, sentence: str) -> None:
    """The sentence names the file, the key, the value and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        parse_site(text, "mine.yaml")
    assert str(caught.value).splitlines()[0].startswith(sentence)


def test_racks_follow_from_blocks() -> None:
    """A site of several GPU models is the sum of its blocks, in order."""
    layout = Layout(
        parse_site(
            "name: mine\nblocks: [{racks: 2, gpu: h200-sxm}, {racks: 1, gpu: h100-sxm}]", "mine"
        )
    )
    assert layout.site.racks == 3
    assert layout.site.gpu.key == "h200-sxm"
    assert [layout.site.gpu_model(rack).key for rack in range(3)] == ["h200-sxm"] * 2 + ["h100-sxm"]
    labels = [dict(series_labels(layout, GPU["xid"], GPU, rack, 0)) for rack in range(3)]
    assert [label["modelName"] for label in labels][1:] == ["NVIDIA H200", "NVIDIA H100 80GB HBM3"]


@pytest.mark.parametrize(
    ("blocks", "sentence"),
    [
        (
            "[{racks: 2, gpu: h300}]",
            f"mine: blocks.0.gpu: is 'h300'; the shipped models are {MODELS}",
        ),
        (
            "[{racks: 2}, {racks: 1, gpu: 7}]",
            f"mine: blocks.1.gpu: is 7; give a shipped model ({MODELS}) or a section",
        ),
        (
            "[{racks: 0}]",
            "mine: blocks.0.racks: is 0; input should be greater than or equal to 1",
        ),
        (
            "[{racks: 2}]\nracks: 3",
            "mine: racks is 3, but the blocks hold 2; leave racks out, it follows",
        ),
    ],
)
def test_wrong_block_is_named_by_its_number(blocks: str, sentence: str) -> None:
    """Of many blocks, the sentence says which."""
    with pytest.raises(ConfigError) as caught:
        parse_site(f"name: mine\nblocks: {blocks}", "mine")
    assert sentence in str(caught.value).splitlines()


def test_every_mistake_is_told_at_once() -> None:
    """Two wrong keys are two lines, so that a file is corrected in one go."""
    with pytest.raises(ConfigError) as caught:
        parse_site(f"{LEAST}halls: 0\ngrid: {{limit_watts: -1}}", "mine.yaml")
    assert str(caught.value).splitlines() == [
        "mine.yaml: halls: is 0; input should be greater than or equal to 1",
        "mine.yaml: grid.limit_watts: is -1; input should be greater than 0",
    ]


def test_unknown_preset_lists_the_known_ones() -> None:
    """A misspelt name is answered with the names that exist."""
    with pytest.raises(ConfigError) as caught:
        load_site("dmeo")
    assert str(caught.value) == (
        f"site 'dmeo' does not exist; the presets are {', '.join(preset_names())}, "
        "and a path to a YAML file works too"
    )


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a folder and a binary file are told apart."""
    folder = tmp_path / "a.yaml"
    folder.mkdir()
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe\xfa")
    for path, problem in [
        (tmp_path / "none.yaml", "No such file"),
        (folder, "Is a directory"),
        (binary, "can't decode"),
    ]:
        with pytest.raises(ConfigError, match=problem) as caught:
            load_site(str(path))
        assert str(caught.value).startswith(f"{path}: cannot be read: ")

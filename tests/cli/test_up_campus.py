"""Several sites in one process: their ports, folders and detail."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.catalog import Detail
from twin.cli.up_campus import beside_each_other, plans_of, ports_from
from twin.errors import ConfigError
from twin.site import Layout, campus_of, campus_sites
from twin.stack.local import LocalConfig


@pytest.fixture
def layouts() -> list[Layout]:
    """The sites of the small campus."""
    campus = campus_of("campus-demo")
    assert campus is not None
    return [Layout(site) for site in campus_sites(campus)]


def test_each_site_has_a_port_a_folder_and_links(layouts: list[Layout]) -> None:
    """Ports count on, states have folders of their own, and pages link each other."""
    plans = plans_of(layouts, ["rack"])
    config = LocalConfig(layouts[0], port=9400, state=Path("/state"), detail=plans[0])
    one, two = beside_each_other(config, layouts, plans)
    assert (one.port, two.port) == (9400, 9401)
    assert (one.state, two.state) == (Path("/state/colossus-array"), Path("/state/nvl72-rack"))
    assert (one.beside, two.beside) == ({"nvl72-rack": ":9401"}, {"colossus-array": ":9400"})
    assert beside_each_other(config, layouts[:1], plans[:1]) == [config]
    anywhere = LocalConfig(layouts[0], port=0)
    assert [own.beside for own in beside_each_other(anywhere, layouts, plans)] == [{}, {}]
    with pytest.raises(ConfigError, match="--redfish is 65535, and 2 sites need as many ports"):
        ports_from(65_535, 2, "--redfish")


def test_detail_goes_to_the_site_that_has_the_array(layouts: list[Layout]) -> None:
    """A level is every site's, a setting of arrays is that of the site which has them."""
    one, two = plans_of(layouts, ["rack,a002=site"])
    assert (one[0], two[0]) == (Detail.RACK, Detail.SITE)
    with pytest.raises(ConfigError, match="'a003' names no array of this site"):
        plans_of(layouts, ["a003=gpu"])

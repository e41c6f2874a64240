"""Numbers that the names of a site's units begin at, so that no two sites of a campus share one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.parameters.section import Section

__all__ = ["NumberingParameters"]


class NumberingParameters(Section):
    """Number of the first unit of each kind.

    Sites that stand together count on from each other, so that a rule or a dashboard that groups by
    rack or host, and knows no label ``site``, keeps them apart.
    """

    halls: Annotated[int, Field(ge=1, le=900)] = 1
    """Of the first hall, `h1`."""
    arrays: Annotated[int, Field(ge=1, le=50_000)] = 1
    """Of the first array, `a001`."""
    racks: Annotated[int, Field(ge=1, le=500_000)] = 1
    """Of the first rack, `r0001`, after which its servers are named."""
    planes: Annotated[int, Field(ge=1, le=900)] = 1
    """Of the first plane of the fabric, `p01`, after which its spine switches are named."""
    service_racks: Annotated[int, Field(ge=1, le=8_000)] = 1
    """Of the first rack of storage and CPU servers, `s001`."""
    megapacks: Annotated[int, Field(ge=1, le=50_000)] = 1
    """Of the first Megapack, `mp001`."""
    gensets: Annotated[int, Field(ge=1, le=8_000)] = 1
    """Of the first generator or gas turbine, `g01`."""

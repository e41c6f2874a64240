"""MQTT topics.

========================================  ==================================================
``twin/v1/{site}/rack/{rack}``            one frame of a rack
``twin/v1/{site}/racks/{array}``          frames of several racks of an array in one message
``twin/v1/{site}/array/{array}``          one frame of an array's leaf switches
``twin/v1/{site}/plane/{plane}``          one frame of a plane of spine switches
``twin/v1/{site}/service/{rack}``         one frame of a rack of storage and CPU servers
``twin/v1/{site}/megapack/{unit}``        one frame of a Megapack
``twin/v1/{site}/genset/{unit}``          one frame of a generator
``twin/v1/{site}/grid``                   one frame of the grid feed and the site's meters
``twin/v1/{site}/job/{job}``              one frame of a training job
``twin/v1/{site}/status/{emulator}``      retained, and the Last Will: who publishes, how fast
``twin/v1/{site}/meta/rack/{rack}``       retained: models, UUIDs, driver
``twin/v1/{site}/jobs/{rack}``            retained: the scheduler's jobs on the GPUs of a rack
``twin/v1/{site}/queue``                  retained: all jobs that the scheduler knows
``twin/v1/{site}/rollup/{r}/{shard}``     an aggregator's part of the site's roll-ups, a replica
``twin/v1/{site}/shadow/{array}``         what an observer finds on an array; ``grid``: on the site
``twin/v1/{site}/faults``                 retained: the faults that are active
``twin/v1/{site}/detail``                 retained: how much is exposed, once a command set it
``twin/v1/{site}/command/{kind}``         inject or clear a fault, or set the detail
``twin/v1/{site}/ack/{id}``               the answer to the command of that id
========================================  ==================================================
"""

from __future__ import annotations

from dataclasses import dataclass

from twin.catalog import UnitKind

__all__ = ["BLOCKS", "TopicAddress", "Topics"]

_ROOT = "twin/v1"
BLOCKS = "racks"
"""The level of frames of several racks."""
_SINGLE = UnitKind.GRID.value


@dataclass(frozen=True, slots=True)
class TopicAddress:
    """What a topic says.

    Attributes:
        site: name of the site.
        kind: the level after the site, for example ``rack`` or ``status``.
        name: the rest of the topic; for the grid, which is single, ``grid``.
    """

    site: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one site."""

    site: str

    @property
    def everything(self) -> str:
        """Filter for all that the site publishes."""
        return f"{_ROOT}/{self.site}/#"

    @property
    def faults(self) -> str:
        """Topic of the active faults."""
        return f"{_ROOT}/{self.site}/faults"

    @property
    def detail(self) -> str:
        """Topic of the detail that a command set."""
        return f"{_ROOT}/{self.site}/detail"

    def rollup(self, replica: int | str, shard: str) -> str:
        """Return the topic of an aggregator's part of the roll-ups; ``+`` filters all shards."""
        return f"{_ROOT}/{self.site}/rollup/{replica}/{shard}"

    def shadow(self, array: str) -> str:
        """Return the topic of what an observer says of an array, or ``grid``; ``+`` filters all."""
        return f"{_ROOT}/{self.site}/shadow/{array}"

    def frame(self, kind: UnitKind, name: str) -> str:
        """Return the topic of one unit's frames."""
        if kind.value == _SINGLE:
            return f"{_ROOT}/{self.site}/{kind.value}"
        return f"{_ROOT}/{self.site}/{kind.value}/{name}"

    def frames(self, kind: UnitKind) -> str:
        """Return the filter for the frames of all units of a kind."""
        return self.frame(kind, "+")

    def blocks(self, array: str) -> str:
        """Return the topic of frames of several racks of an array; ``+`` filters all arrays."""
        return f"{_ROOT}/{self.site}/{BLOCKS}/{array}"

    def status(self, emulator: str) -> str:
        """Return the topic of an emulator's status; ``+`` filters all."""
        return f"{_ROOT}/{self.site}/status/{emulator}"

    def meta(self, rack: str) -> str:
        """Return the topic of a rack's metadata; ``+`` filters all."""
        return f"{_ROOT}/{self.site}/meta/rack/{rack}"

    def jobs(self, rack: str) -> str:
        """Return the topic of the jobs on the GPUs of a rack; ``+`` filters all."""
        return f"{_ROOT}/{self.site}/jobs/{rack}"

    @property
    def queue(self) -> str:
        """Topic of all jobs that the scheduler knows."""
        return f"{_ROOT}/{self.site}/queue"

    def command(self, kind: str) -> str:
        """Return the topic of a kind of command; ``+`` filters all."""
        return f"{_ROOT}/{self.site}/command/{kind}"

    def ack(self, identifier: str) -> str:
        """Return the topic on which the command of that id is answered."""
        return f"{_ROOT}/{self.site}/ack/{identifier}"

    @staticmethod
    def every_status() -> str:
        """Return the filter for the status of all emulators of all sites."""
        return f"{_ROOT}/+/status/+"

    @staticmethod
    def parse(topic: str) -> TopicAddress | None:
        """Return what ``topic`` says, or None when it is not one of ours."""
        match topic.split("/"):
            case ["twin", "v1", site, kind, *rest] if all((site, kind, *rest)):
                name = "/".join(rest)
            case _:
                return None
        if kind == _SINGLE:
            return None if name else TopicAddress(site, kind, _SINGLE)
        return TopicAddress(site, kind, name)

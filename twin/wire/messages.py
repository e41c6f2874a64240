"""The small messages beside frames: status, metadata, faults, commands and their answers."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
)

from twin.described import Described
from twin.errors import FrameError
from twin.faults import FaultSchedule

__all__ = [
    "Ack",
    "ActiveFault",
    "Clear",
    "Clock",
    "Command",
    "DetailSetting",
    "EmulatorStatus",
    "Faults",
    "Inject",
    "Message",
    "RackMeta",
    "SetDetail",
    "ShardJobs",
    "Strict",
    "decode_message",
]

MAX_MESSAGE_BYTES = 1 << 18
MOST_KEYS = 512
"""Keys of a mapping; a part of the roll-ups has one a signal, some sixty."""
MOST_INTERVAL_SECONDS = 360_000.0
"""Simulated seconds between two frames: an hour, times 100 when the emulator slows down."""
END_OF_TIME = 32_503_680_000
"""Simulated time stays below it: the year 3000, so that milliseconds are refused."""
_MOST = 2**53
"""Greatest number of anything: beyond it a float64 has no place for the next."""
_Time = Annotated[float, Field(ge=0, lt=END_OF_TIME)]
_Count = Annotated[int, Field(ge=0, le=_MOST)]
_Seconds = Annotated[float, Field(ge=0, le=_MOST)]
_Place = Annotated[str, Field(max_length=64)]
_Label = Annotated[str, Field(max_length=128)]
_V = TypeVar("_V")
Many = Annotated[tuple[_V, ...], FailFast()]
"""A list whose first wrong element ends the reading: pydantic would keep an error for each, some
hundred MiB of one message."""


def _few(value: object) -> object:
    """Return a mapping of not too many keys, for the same reason.

    Raises:
        ValueError: it has too many.
    """
    if isinstance(value, dict) and len(value) > MOST_KEYS:
        raise ValueError(f"has {len(value)} keys, at most {MOST_KEYS}")
    return value


Few = Annotated[dict[str, _V], BeforeValidator(_few)]
"""A mapping of names to values, of at most :data:`MOST_KEYS`."""
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class Strict(Described):
    """Read-only, no unknown key, every number finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class Message(Strict):
    """Base of all messages."""

    v: Literal[1] = 1
    """Version of the contract."""

    def encode(self) -> bytes:
        """Return the message as JSON."""
        return self.model_dump_json().encode()


class Clock(Strict):
    """How simulated time maps to the wall clock: both in unix seconds, at one instant."""

    simulated: _Time
    """Simulated time at that instant."""
    wall: _Time
    """Wall clock at that instant."""


_OF_SHARDS = frozenset({"shard", "arrays", "lived", "jobs"})
"""What only shards say in their status."""


class ShardJobs(Strict):
    """Where the jobs of a shard's plant stand."""

    ts: _Time
    """Simulated time at which they stand there, unix seconds."""
    standings: Many[Few[float]]
    """All that decides what each job asks for next, by name."""


class EmulatorStatus(Message):
    """Status of an emulator; its Last Will says ``lost``."""

    emulator: _Name
    """Name of the emulator."""
    state: Literal["online", "offline", "lost"]
    """``offline`` after an orderly end, ``lost`` when the broker missed it."""
    instance: Annotated[str, Field(pattern=r"^[0-9a-f]{1,32}$")] | None = None
    """Identity of the process, drawn at its start: it distinguishes two of the same name."""
    interval: Annotated[float, Field(gt=0, le=MOST_INTERVAL_SECONDS)] = 1.0
    """Simulated seconds between two frames of a unit."""
    speed: Annotated[float, Field(ge=0.001, le=1e6)] = 1.0
    """Simulated seconds a second."""
    clock: Clock | None = None
    """Maps the frames' ``ts`` to the wall clock, so that lag can be told at any speed."""
    ticks: _Count = 0
    """Ticks done."""
    late_ticks: _Count = 0
    """Ticks that began later than they were due by more than a tenth of the interval."""
    frames: _Count = 0
    """Frames published."""
    unsent: _Count = 0
    """Frames that could not be published because the broker was away."""
    overdue: _Count = 0
    """Frames given up because the broker did not take those before them in time."""
    queued: _Count = 0
    """Frames that are due and that the broker did not take yet, at this moment."""
    blocked_seconds: _Seconds = 0.0
    """Time that frames have waited for the broker to take those before them."""
    restarts: _Count = 0
    """Times the clock restarted because the ticks were hopelessly late."""
    slowdown: Annotated[float, Field(ge=1, le=1e6)] = 1.0
    """``interval`` as a multiple of what was set: above 1 only when told to slow down."""
    shard: Annotated[str, Field(pattern=r"^(\d{1,4}/\d{1,4}|facility)$")] | None = None
    """Which part of the site it runs: ``0/3``, or ``facility``; None for the whole site."""
    arrays: _Count | None = None
    """Arrays that it publishes; None for all."""
    lived: _Seconds | None = None
    """Simulated seconds that the plant of a shard has run: shards follow the jobs of the oldest."""
    jobs: ShardJobs | None = None
    """Progress of each job in the plant of a shard."""

    def encode(self) -> bytes:
        """Return the message as JSON; what concerns shards only where it is one."""
        return self.model_dump_json(exclude=None if self.shard else set(_OF_SHARDS)).encode()


class RackMeta(Message):
    """Identity of a rack's hosts and GPUs, as their exporters give it."""

    rack: _Name
    """Name of the rack."""
    gpu_model: _Label
    """Product name of the GPUs."""
    gpu_uuids: Many[_Label]
    """UUIDs, in the order of the frame's columns."""
    gpu_pci_addresses: Many[_Label] = ()
    """PCI addresses in their servers, in the same order; left out where they are not known."""
    hostnames: Many[_Label]
    """Host names of the servers, in the order of the frame's columns."""
    driver_version: _Label
    """NVIDIA driver."""
    job: _Label | None = None
    """Job that holds the rack, None where it is idle."""
    source: Literal["simulated", "measured"] = "simulated"
    """Whether its values are of a plant, or of the exporters of a real rack."""

    def encode(self) -> bytes:
        """Return the message as JSON; the source only where it is a real rack."""
        return self.model_dump_json(
            exclude={"source"} if self.source == "simulated" else None
        ).encode()


class ActiveFault(Strict):
    """A fault that is in force."""

    id: _Name
    """Identifier of the command that injected it."""
    fault: _Name
    """Kind of fault."""
    target: _Place
    """Place that it is applied to."""
    since: _Time
    """Simulated time at which it began."""
    until: _Time | None
    """Simulated time at which it ends, None when it lasts until it is cleared."""
    parameters: Few[float] = {}  # noqa: RUF012 - pydantic copies it
    """Its parameters; told to shards, which make the same fault of them."""


class Faults(Message):
    """All faults that are in force."""

    active: Annotated[Many[ActiveFault], Field(max_length=FaultSchedule.MOST)]
    """In order of injection."""

    def encode(self) -> bytes:
        """Return the message as JSON; parameters only where they are given."""
        told = any(fault.parameters for fault in self.active)
        hidden = None if told else {"active": {"__all__": {"parameters"}}}
        return self.model_dump_json(exclude=hidden).encode()


class Inject(Message):
    """Command: let a fault begin now."""

    id: _Name
    """Chosen by the sender; the answer comes on ``ack/{id}``."""
    fault: _Name
    """Kind of fault, as ``twin faults`` lists them."""
    target: _Place | None = None
    """What to strike, for example ``r0003/pump1``; None for the first place of the site that the
    fault can hit."""
    duration: Annotated[float, Field(gt=0, le=1e8, strict=True)] | None = None
    """Simulated seconds; None for the fault's own default."""
    parameters: Few[Annotated[float, Field(strict=True)]] = {}  # noqa: RUF012 - pydantic copies it
    """Parameters of the fault."""


class Clear(Message):
    """Command: end faults before their time."""

    id: _Name
    """Chosen by the sender; the answer comes on ``ack/{id}``."""
    target: _Place | None = None
    """End the faults of this target; None for all."""
    fault: _Name | None = None
    """End the faults of this kind; None for all."""


_Settings = Annotated[Many[_Place], Field(max_length=2048)]


class SetDetail(Message):
    """Command to aggregators: change how much of each array is exposed, or tell it."""

    id: _Name
    """Chosen by the sender; the answer comes on ``ack/{id}``."""
    detail: _Settings = ()
    """Settings in order, such as ``rack``, ``a001=gpu`` or ``a010-a020=site``; none changes
    nothing, and the answer tells what is in force."""
    reset: bool = False
    """Begin from what the aggregator was started with instead of what is in force."""


class DetailSetting(Message):
    """How much of each array is exposed, since a command set it."""

    detail: _Settings
    """The detail of all arrays, then those that differ."""


class Ack(Message):
    """Answer to a command."""

    id: _Name
    """Identifier of the command."""
    accepted: bool
    """Whether the command was carried out."""
    detail: str
    """What was done, or why not and what to do."""


Command = Inject | Clear

_M = TypeVar("_M", bound=Message)


def decode_message(
    model: type[_M], payload: bytes | bytearray | memoryview, most: int = MAX_MESSAGE_BYTES
) -> _M:
    """Return the message that ``payload`` holds.

    Args:
        model: kind of message.
        payload: its bytes.
        most: bytes that it may have.

    Raises:
        FrameError: with the reason ``oversized`` or ``malformed``.
    """
    if len(payload) > most:
        raise FrameError("oversized", f"{len(payload)} bytes, at most {most}")
    try:
        return model.model_validate_json(bytes(payload))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "message"
        raise FrameError("malformed", f"{place[:100]}: {first['msg'][:200]}") from error

"""The contract on the bus: topics, frames and messages, without any I/O."""

from twin.wire.frame import MAX_FRAME_BYTES, Codec, Decoder, Encoder, Outputs, Snapshot
from twin.wire.messages import (
    Ack,
    ActiveFault,
    Clear,
    Clock,
    Command,
    Faults,
    Inject,
    RackMeta,
    Status,
    decode_message,
)
from twin.wire.topics import Address, Topics

__all__ = [
    "MAX_FRAME_BYTES",
    "Ack",
    "ActiveFault",
    "Address",
    "Clear",
    "Clock",
    "Codec",
    "Command",
    "Decoder",
    "Encoder",
    "Faults",
    "Inject",
    "Outputs",
    "RackMeta",
    "Snapshot",
    "Status",
    "Topics",
    "decode_message",
]

"""The contract on the bus: topics, frames and messages, without any I/O."""

from twin.wire.block_encoder import BlockEncoder, BlockRow
from twin.wire.blocks import BlockDecoder, RackBlock, largest_block
from twin.wire.frame import MAX_FRAME_BYTES, Codec, Decoder, Encoder, Outputs, Snapshot
from twin.wire.jobs import (
    MOST_JOBS,
    MOST_QUEUE_BYTES,
    Allocation,
    CycleReport,
    NodeCounts,
    NodeReport,
    QueuedJob,
    RackJobs,
    SchedulerReport,
    SiteJobs,
)
from twin.wire.messages import (
    Ack,
    ActiveFault,
    Clear,
    Clock,
    Command,
    DetailSetting,
    EmulatorStatus,
    Faults,
    Inject,
    RackMeta,
    SetDetail,
    ShardJobs,
    decode_message,
)
from twin.wire.metadata import rack_meta
from twin.wire.outbound import OutboundMessage
from twin.wire.rollups import RollupPart, SignalPart
from twin.wire.schema import FrameRows
from twin.wire.shadow import (
    MOST_FINDINGS,
    ShadowDevices,
    ShadowFinding,
    ShadowRelation,
    ShadowReport,
    ShadowUnit,
)
from twin.wire.snapshots import SnapshotTable
from twin.wire.topics import BLOCKS, TopicAddress, Topics

__all__ = [
    "BLOCKS",
    "MAX_FRAME_BYTES",
    "MOST_FINDINGS",
    "MOST_JOBS",
    "MOST_QUEUE_BYTES",
    "Ack",
    "ActiveFault",
    "Allocation",
    "BlockDecoder",
    "BlockEncoder",
    "BlockRow",
    "Clear",
    "Clock",
    "Codec",
    "Command",
    "CycleReport",
    "Decoder",
    "DetailSetting",
    "EmulatorStatus",
    "Encoder",
    "Faults",
    "FrameRows",
    "Inject",
    "NodeCounts",
    "NodeReport",
    "OutboundMessage",
    "Outputs",
    "QueuedJob",
    "RackBlock",
    "RackJobs",
    "RackMeta",
    "RollupPart",
    "SchedulerReport",
    "SetDetail",
    "ShadowDevices",
    "ShadowFinding",
    "ShadowRelation",
    "ShadowReport",
    "ShadowUnit",
    "ShardJobs",
    "SignalPart",
    "SiteJobs",
    "Snapshot",
    "SnapshotTable",
    "TopicAddress",
    "Topics",
    "decode_message",
    "largest_block",
    "rack_meta",
]

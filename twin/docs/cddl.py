"""CDDL (RFC 8610) of the CBOR frames: the typed array of every column.

The JSON schemas say what the groups and columns mean; this says how their bytes lie.
"""

from __future__ import annotations

from collections.abc import Mapping

from twin.catalog import DeviceClass, UnitKind
from twin.docs.schema import EXAMPLE_SITE
from twin.site import Layout, load_site
from twin.wire.block_form import RACKS, SEQ_TAG, TS_TAG
from twin.wire.cbor_form import DTYPES, FLOAT32, FLOAT64, grows
from twin.wire.frame import VERSION

__all__ = ["pages"]

_HEAD = f"""\
; Made by `python -m twin.docs`; do not edit.
;
; Frames in CBOR (RFC 8949), for the sizes of the site {EXAMPLE_SITE}: `--codec cbor`.
; They are the mappings of the JSON schemas beside this file. A column is a typed array of
; RFC 8746 in little endian, one value a device, NaN for a device that does not report: tag
; {FLOAT32} for float32, tag {FLOAT64} for float64 once a value comes up that float32 does not keep
; to the signal's resolution. Rounded to that resolution, the values are those of the JSON frame
; to the last bit. An aggregator takes either tag in any column, and keys in any order. The
; first byte of a frame is that of a map, 0xa0 to 0xbf, by which it is told from JSON.
;
; For example, in diagnostic notation and cut short:
;   {{"v": {VERSION}, "ts": 1700000000.5, "seq": 42,
;    "pump": {{"speed": {FLOAT32}(h'00803b4500803b45'), ...}},
;    "pdu": {{"energy": {FLOAT64}(h'0000000084d79741...'), ...}}, ...}}

float32<bytes> = #6.{FLOAT32}(bstr .size bytes)
float64<bytes> = #6.{FLOAT64}(bstr .size bytes)
head = (v: {VERSION}, ts: float64, seq: uint)
"""

_BLOCK = f"""\
; Several racks of an array in one message, where the site has telemetry.racks_per_message above 1.
; The groups and columns are those of a rack-frame. Each column has the values of all racks one
; after the other, so it is as many times as long as there are racks; ts and seq have one number a
; rack. The names come last, so that all else has a fixed place; any other order is taken as well.
racks-block = {{
  v: {VERSION}, ts: #6.{TS_TAG}(bstr), seq: #6.{SEQ_TAG}(bstr),
  + tstr => {{ + tstr => #6.{FLOAT32}(bstr) / #6.{FLOAT64}(bstr) }},
  {RACKS}: [+ tstr] }}
"""


def pages() -> Mapping[str, str]:
    """Return ``schema/frames.cddl``."""
    layout = Layout(load_site(EXAMPLE_SITE))
    frames = [_frame(layout, kind) for kind in UnitKind]
    return {"schema/frames.cddl": "\n".join((_HEAD, *frames, _BLOCK))}


def _frame(layout: Layout, kind: UnitKind) -> str:
    devices = layout.devices_of(kind)
    groups = "".join(f"  {device.name}: {kind.value}-{device.name},\n" for device in devices)
    parts = [f"{kind.value}-frame = {{\n  head,\n{groups}}}\n"]
    return "\n".join(parts + [_group(layout, kind, device) for device in devices])


def _group(layout: Layout, kind: UnitKind, device: DeviceClass) -> str:
    count = layout.per_unit(device)
    narrow, wide = (
        f"float{8 * dtype.itemsize}<{count * dtype.itemsize}>" for dtype in DTYPES.values()
    )
    columns = "".join(
        f"  {signal.name}: {f'{narrow} / {wide}' if grows(signal) else narrow},\n"
        for signal in layout.reported[device.name]
        if signal.on_wire
    )
    return f"; {count} x {device.title}\n{kind.value}-{device.name} = {{\n{columns}}}\n"

"""Arrays in an archive of a stranger: nothing but what the file holds is read."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from twin.stored_arrays import UNREADABLE, check_stored, stored_array


def archive(compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive with one array of 1,000 numbers."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", compression) as made, made.open("a.npy", "w") as file:
        npy.write_array(file, np.arange(1000.0), allow_pickle=False)
    return body.getvalue()


def read(data: bytes) -> np.ndarray:
    """Return the array of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        check_stored(opened, len(data))
        return stored_array(opened.read(opened.namelist()[-1]))


def test_an_array_comes_back() -> None:
    """It has its values, and may be written to."""
    array = read(archive())
    assert array.tolist() == np.arange(1000.0).tolist()
    array[0] = 7.0


def test_entries_that_share_their_bytes_are_refused() -> None:
    """A small file with a thousand entries of the same bytes would be as large as all of them."""
    data = archive()
    directory = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry, last = data[directory:end], bytearray(data[end:])
    count = 1000
    last[8:12] = count.to_bytes(2, "little") * 2
    last[12:16] = (len(entry) * count).to_bytes(4, "little")
    with pytest.raises(ValueError, match="overlap"):
        read(data[:directory] + entry * count + bytes(last))


def test_what_is_compressed_is_refused() -> None:
    """Compression, by which a small file becomes a large one, is damage."""
    with pytest.raises(ValueError, match="compressed"):
        read(archive(zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("flag", [1, 0x20, 0x40])
def test_every_flag_of_an_entry_is_survived(flag: int) -> None:
    """Encrypted or patched entries, which zipfile does not know, are told like other damage."""
    data = bytearray(archive())
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + offset] |= flag
    with pytest.raises(UNREADABLE):
        read(bytes(data))


def test_an_array_that_declares_more_than_it_has_takes_no_memory() -> None:
    """A header is a promise of a stranger: nothing is set aside for it."""
    file = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
    npy.write_array_header_1_0(file, header)
    with pytest.raises(ValueError, match="are no float64"):
        stored_array(file.getvalue() + bytes(80))

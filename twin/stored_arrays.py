"""Arrays in an uncompressed archive that anybody may have written.

Reading one takes no more memory than the file is long, and runs no code of it.
"""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

__all__ = ["UNREADABLE", "check_stored", "stored_array"]

UNREADABLE = (
    zipfile.BadZipFile,  # no archive, or a checksum that does not hold
    NotImplementedError,  # compressed or encrypted in a way that zipfile does not know
    RuntimeError,  # encrypted; nested too deeply
    KeyError,
    ValueError,
    TypeError,
    EOFError,
    OSError,
)
"""What reading bytes of a stranger may raise."""


def check_stored(archive: zipfile.ZipFile, length: int) -> None:
    """Refuse an archive that holds more than its own bytes.

    Args:
        archive: the archive.
        length: of its file, in bytes.

    Raises:
        ValueError: something is compressed, or the same bytes stand for several entries.
    """
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("it is compressed")  # and might be a thousand times as large
    if sum(entry.file_size for entry in entries) > length:
        raise ValueError("its entries overlap")


def stored_array(data: bytes) -> NDArray[Any]:
    """Return the array of an ``.npy`` file, which may be written to.

    Raises:
        ValueError: it is none, or its size is not that of its shape.
    """
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    body = data[file.tell() :]
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError(f"{len(body)} bytes are no {dtype} of the shape {shape}")
    flat = np.frombuffer(bytearray(body), dtype)
    return flat.reshape(shape, order="F" if fortran else "C")

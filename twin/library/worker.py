"""Worker of a sweep: runs as JSON on stdin, their figures as JSON on stdout."""

from __future__ import annotations

import json
import sys

from twin.errors import TwinError
from twin.library.sweeping import run_job

__all__ = ["main"]


def main() -> int:
    """Run what stdin asks for and return the exit status."""
    try:
        rows = [run_job(job) for job in json.load(sys.stdin)]
    except TwinError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    json.dump(rows, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Names of scheduled jobs and their pods, the same for the same job of the same site."""

from __future__ import annotations

import hashlib

__all__ = ["job_name", "pod_name"]

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes random suffixes of: no vowels, so no words."""
_SUFFIX = 5


def _suffix(*parts: object) -> str:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=_SUFFIX).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest)


def job_name(site: str, kind: str, number: int, *, pods: bool) -> str:
    """Return the name of a job: Slurm's may stand many times, a Kubernetes Job's once.

    Args:
        site: name of the site.
        kind: of the job.
        number: of the job.
        pods: whether it runs in pods.
    """
    return f"{kind}-{_suffix(site, number)}" if pods else kind


def pod_name(job: str, index: int, restarts: int) -> str:
    """Return the name of a pod of an indexed Job: another one after each restart."""
    return f"{job}-{index}-{_suffix(job, index, restarts)}"

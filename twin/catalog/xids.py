"""XID codes: what the driver reports of a GPU that went wrong."""

from __future__ import annotations

__all__ = ["USERS_XIDS", "XID_TEXT"]

XID_TEXT = {
    0: "No Error",
    13: "Graphics Engine Exception",
    31: "GPU memory page fault",
    43: "GPU stopped processing",
    45: "Preemptive cleanup, due to previous errors -- Most likely to see when running multiple "
    "cuda",
    48: "Double Bit ECC Error",
    63: "ECC page retirement or row remapping recording event",
    64: "ECC page retirement or row remapper recording failure",
    74: "NVLINK Error",
    79: "GPU has fallen off the bus",
    92: "High single-bit ECC error rate",
    94: "Contained ECC error",
    95: "Uncontained ECC error",
    119: "GSP RPC Timeout",
    120: "GSP Error",
    140: "Unrecovered ECC Error",
    145: "NVLINK: RLW Error",
    149: "NVLINK: NETIR Error",
}
"""XID codes that the twin can raise, with dcgm-exporter's text."""

USERS_XIDS = (13.0, 31.0, 43.0, 45.0)
"""XIDs that the user's code raises, not the hardware (NVIDIA's XID catalogue)."""

"""Alert rules proven by physics: scenarios are simulated, sampled and given to promtool."""

from __future__ import annotations

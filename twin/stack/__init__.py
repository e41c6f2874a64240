"""Whole stacks: one process that runs all parts, commands sent to a running one, and checks."""

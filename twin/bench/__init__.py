"""Benchmarks behind ``twin bench`` and ``benchmarks/``.

Costs are CPU time of one thread, medians over rounds. The runs end to end are of real
processes.
"""

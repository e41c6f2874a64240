"""Reference pages, made from the code that they describe.

Each module makes one kind of page and is pure: it returns texts by their path below
``docs/``. ``python -m twin.docs`` writes them, ``--check`` only compares. The tables
behind them are for everyone: ``twin metrics`` prints :func:`twin.docs.metrics.table`.
"""

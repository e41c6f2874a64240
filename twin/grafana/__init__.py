"""Grafana dashboards: as typed code, built into ``dashboards/*.json``, pushed and checked.

Queries, panels and dashboards are apart. :mod:`twin.grafana.queries` is plain PromQL
that knows its unit; :mod:`twin.grafana.panels` and :mod:`twin.grafana.dashboards` need
``grafana-foundation-sdk`` (the extra ``dashboards``) and are imported by
:mod:`twin.grafana.build` only. Pushing and checking read the built files, which ship
with the package.
"""

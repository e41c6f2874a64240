"""HTTP clients of the servers around the twin: Prometheus, Alertmanager, the aggregator."""

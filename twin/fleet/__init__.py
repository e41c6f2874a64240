"""A real fleet: what its Prometheus says of it, as a site file and as frames."""

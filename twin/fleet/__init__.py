"""A real fleet: its site file and its frames, from the series of its Prometheus."""

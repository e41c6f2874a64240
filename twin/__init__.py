"""A digital twin of a GPU datacenter, for the people who monitor one."""

__version__ = "0.1.0"

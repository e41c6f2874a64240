"""Stack of ``docker-compose.yml``: its secrets, its health, and chaos on purpose."""

"""The stack of ``docker-compose.yml``: its secrets, its health, and what harms it on purpose."""

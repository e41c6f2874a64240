"""Stack of ``docker-compose.yml``: its secrets, its health, and chaos on purpose."""

MAKES_SECRETS = ("bcrypt>=4.2", "cryptography>=44")
"""The packages of the extra ``secrets``, for who has them not."""

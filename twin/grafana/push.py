"""Upload of the dashboards to a Grafana over its HTTP API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from twin.errors import ConfigError, ServiceError, not_installed

__all__ = ["FOLDER_UID", "Grafana", "connect", "push"]

Grafana = Any
"""A ``grafana_client.GrafanaApi``, which has no types that a checker could follow."""

FOLDER_UID = "datacenter-twin"
"""Of the folder, so that a second push finds it under any title."""
_MESSAGE = "twin dashboards push"


def connect(url: str, credential: str | tuple[str, str] | None) -> Grafana:
    """Return a client of the Grafana at ``url``.

    Args:
        url: its address; a path before the API is kept.
        credential: a service account's token, or user and password.

    Raises:
        ConfigError: the extra ``grafana`` is not installed, or the address is none of HTTP.
    """
    try:
        client = import_module("grafana_client")
    except ImportError:
        raise not_installed("pushing", "grafana-client>=5,<6") from None
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"Grafana {url!r} is not an address; write for example http://127.0.0.1:3000"
        )
    return client.GrafanaApi.from_url(url, credential=credential)


def push(grafana: Grafana, dashboards: Iterable[Mapping[str, Any]], folder: str) -> Iterator[str]:
    """Create or replace dashboards, all in one folder, which is made when it is missing.

    Args:
        grafana: where to.
        dashboards: their JSON.
        folder: title of a folder that is made.

    Yields:
        The path of each dashboard in Grafana, as it is done.

    Raises:
        ServiceError: Grafana does not answer or refuses.
    """
    try:
        uid = _folder(grafana, folder)
        for dashboard in dashboards:
            answer = grafana.dashboard.update_dashboard(
                {
                    "dashboard": {**dashboard, "id": None},
                    "folderUid": uid,
                    "message": _MESSAGE,
                    "overwrite": True,
                }
            )
            yield str(answer["url"])
    except ServiceError:
        raise
    except Exception as error:
        # grafana-client lets through whatever its HTTP library raises.
        raise ServiceError(
            f"Grafana at {grafana.url} did not accept the dashboards ({_said(error)}); check --url "
            "and the token, which needs the right to edit dashboards"
        ) from error


def _folder(grafana: Grafana, title: str) -> str:
    """Return the uid of the folder, made if it is missing."""
    uids = {folder["uid"] for folder in grafana.folder.get_all_folders()}
    if FOLDER_UID not in uids:
        grafana.folder.create_folder(title, uid=FOLDER_UID)
    return FOLDER_UID


def _said(error: Exception) -> str:
    """Return an error's text in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__

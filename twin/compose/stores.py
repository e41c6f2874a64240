"""Owners of the stack's stores: each volume belongs to the one service that stores in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from twin.errors import ConfigError

__all__ = ["give_stores"]


def give_stores(
    folder: Path,
    owners: Mapping[str, int],
    chown: Callable[[Path, int, int], None] = os.chown,
) -> None:
    """Give each folder in ``folder`` that is named after a service to that service's user.

    What already belongs to it stays as it is, so that a start does not walk years of samples.

    Args:
        folder: where the stores are.
        owners: service to its user.
        chown: gives a file to a user and group; needs root.

    Raises:
        ConfigError: a store cannot be read or given away.
    """
    try:
        for store in sorted(path for path in folder.iterdir() if path.is_dir()):
            uid = owners.get(store.name)
            if uid is None:
                raise ConfigError(
                    f"{store}: there is no service of this name; there are {', '.join(owners)}"
                )
            if store.stat().st_uid != uid:
                _give(store, uid, chown)
    except OSError as error:
        raise ConfigError(
            f"{error.filename or folder}: {error.strerror}; a store must be readable, and root's "
            "to give away"
        ) from error


def _give(store: Path, uid: int, chown: Callable[[Path, int, int], None]) -> None:
    """Give away a store from the inside out: the folder itself last, so that it may be resumed."""
    for folder, folders, files in os.walk(store, topdown=False, onerror=_raise):
        for name in (*folders, *files):
            path = Path(folder, name)
            if not path.is_symlink():
                chown(path, uid, uid)
    chown(store, uid, uid)


def _raise(error: OSError) -> None:
    raise error

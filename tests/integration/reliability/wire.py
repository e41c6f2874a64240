"""A TCP connection that can be cut: what a network does to those at its ends."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

__all__ = ["Wire"]

_PIECE = 1 << 16
_LOOK_SECONDS = 0.05


class Wire:
    """Passes on what comes to its port, until it is cut.

    While it is cut not a byte moves, and nobody is told: connections stand, writes succeed until
    the buffers are full, answers never come. That is what a dropped route or a dead switch looks
    like from either end for as long as TCP has patience.

    Args:
        target: returns the port to pass on to, looked up for each connection.

    Attributes:
        port: where it listens, on 127.0.0.1.
    """

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        self._whole = threading.Event()
        self._whole.set()
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Let nothing through from now on."""
        self._whole.clear()

    def heal(self) -> None:
        """Let everything through again, what waited first."""
        self._whole.set()

    def close(self) -> None:
        """End all connections."""
        self._closing = True
        self._whole.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near: socket.socket) -> None:
        self._whole.wait()
        with suppress(OSError), near, self._dial() as far:
            other = {near: far, far: near}
            while not self._closing:
                self._whole.wait()
                for side in select.select([near, far], [], [], _LOOK_SECONDS)[0]:
                    if not self._whole.is_set():
                        break
                    piece = side.recv(_PIECE)
                    if not piece:
                        return
                    other[side].sendall(piece)

    def _dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._target()), timeout=5)

"""No network while a block runs, and a list of who asked for it: data and weights come with a user's consent only."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class NetworkRefusedError(OSError):
    """Code under test reached for the network."""


@contextmanager
def offline() -> Iterator[list[str]]:
    """Refuse connections and look-ups of hosts of this process; sockets of the file system work.

    Yields:
        The addresses that were asked for, even if the code that asked went on without them.
    """
    asked: list[str] = []

    def refuse(address: Any) -> NetworkRefusedError:
        asked.append(str(address[0] if isinstance(address, tuple) else address))
        return NetworkRefusedError(f"the network is refused here, and {asked[-1]} was asked for")

    def guarded(name: str) -> Any:
        original = getattr(socket.socket, name)

        def call(self: socket.socket, *arguments: Any) -> Any:
            if self.family == getattr(socket, "AF_UNIX", None):
                return original(self, *arguments)
            raise refuse(arguments[-1])

        return mock.patch.object(socket.socket, name, call)

    def look_up(host: Any, *_: Any, **__: Any) -> Any:
        raise refuse(host)

    with (
        guarded("connect"),
        guarded("connect_ex"),
        guarded("sendto"),
        mock.patch.object(socket, "getaddrinfo", look_up),
        mock.patch.object(socket, "gethostbyname", look_up),
    ):
        yield asked

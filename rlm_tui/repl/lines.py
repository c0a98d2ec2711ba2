"""The channels of one worker as its host has them, where they are sockets and one loop reads them all. Host side."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import NamedTuple, Protocol

Take = Callable[[bytes], object]


class Ends(NamedTuple):
    """A worker's own ends of its channels.

    Attributes:
        rpc: Descriptor of the channel for everything; two, to read from and to write to, when it is made of pipes.
        ctl: Descriptor of the channel for what is meant for the running block.
        raw: Descriptor for its stdout and stderr.
    """

    rpc: tuple[int, ...]
    ctl: int
    raw: int


class Lines(Protocol):
    """The host's ends of one worker's channels. All methods belong to one loop.

    Attributes:
        ends: The worker's, until they are handed over.
        rung: Whether the worker reads `ctl` only when a signal tells it to; else a thread of its own reads it.
    """

    ends: Ends
    rung: bool

    def handed_over(self) -> None:
        """The worker has its ends, or never will: close them here."""
        ...

    async def connect(self, rpc: Take, ctl: Take, raw: Take, lost: Callable[[], object]) -> None:
        """Begin to read every channel, in the running loop.

        What a worker wrote to its stdout is handed on before what it said later on `rpc`, or by `drain` at the latest.

        Args:
            rpc: Called with what comes on `rpc`.
            ctl: The same for `ctl`.
            raw: The same for `raw`.
            lost: Called when `rpc` has come to its end.
        """
        ...

    def send(self, frame: bytes) -> None:
        """Write to `rpc`, without waiting."""
        ...

    def control(self, frame: bytes) -> None:
        """Write to `ctl`, likewise."""
        ...

    def drain(self) -> None:
        """Hand on what is in `raw` now, where that is not done in time by itself."""
        ...

    def close(self) -> None:
        """Close the host's ends; idempotent. Nothing is handed on any more."""
        ...


class _Socket(asyncio.Protocol):
    """Hands on what arrives on a socket."""

    def __init__(self, received: Take, lost: Callable[[], object]) -> None:
        self._received = received
        self._lost = lost

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end is closed."""
        self._lost()


class SocketLines:
    """Two socket pairs and a pipe; see `Lines`."""

    rung = True

    def __init__(self) -> None:
        """Make the channels.

        Raises:
            OSError: If there are no descriptors for them.
        """
        self._rpc, self._their_rpc = socket.socketpair()
        self._ctl, self._their_ctl = socket.socketpair()
        self._raw, raw = os.pipe()
        os.set_blocking(self._raw, False)
        self.ends = Ends((self._their_rpc.fileno(),), self._their_ctl.fileno(), raw)
        self._take_raw: Take | None = None
        self._transports: list[asyncio.Transport] = []

    def handed_over(self) -> None:
        """Close the worker's ends."""
        self._their_rpc.close()
        self._their_ctl.close()
        os.close(self.ends.raw)

    async def connect(self, rpc: Take, ctl: Take, raw: Take, lost: Callable[[], object]) -> None:
        """Begin to read every channel."""
        loop = asyncio.get_running_loop()
        self._take_raw = raw
        loop.add_reader(self._raw, self.drain)
        for sock, protocol in ((self._rpc, _Socket(rpc, lost)), (self._ctl, _Socket(ctl, lambda: None))):
            transport, _ = await loop.create_connection(lambda protocol=protocol: protocol, sock=sock)
            self._transports.append(transport)

    def send(self, frame: bytes) -> None:
        """Write to `rpc`."""
        if self._transports:
            self._transports[0].write(frame)

    def control(self, frame: bytes) -> None:
        """Write to `ctl`."""
        if len(self._transports) > 1:
            self._transports[1].write(frame)

    def drain(self) -> None:
        """Read what is in the raw pipe now, up to its size."""
        for _ in range(16):
            try:
                data = os.read(self._raw, 1 << 16) if self._raw >= 0 else b""
            except BlockingIOError:
                return
            if not data:
                self._stop_reading_raw()
                return
            if self._take_raw is not None:
                self._take_raw(data)

    def _stop_reading_raw(self) -> None:
        if self._raw >= 0 and self._take_raw is not None:
            asyncio.get_running_loop().remove_reader(self._raw)

    def close(self) -> None:
        """Close the host's ends."""
        self._stop_reading_raw()
        for transport in self._transports:
            transport.abort()
        self._rpc.close()
        self._ctl.close()
        if self._raw >= 0:
            os.close(self._raw)
            self._raw = -1

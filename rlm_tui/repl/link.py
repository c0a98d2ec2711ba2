"""The line to one worker: bytes in and out of its channels, protocol breaks, and its end. Host side."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable
from typing import Any

from rlm_tui.repl import protocol
from rlm_tui.repl.launch import Worker
from rlm_tui.repl.messages import Message

END_S = 10.0
"""Seconds to wait for a killed worker's end before it is left to the kernel."""
RING_S = 0.05
"""Seconds until a bell is rung for the second time."""
EOF_S = 0.5
"""Seconds between the end of the channel and the end of the process, before one is made to follow the other."""


class Link:
    """A connected worker. Callbacks run in the loop `connect` was awaited in.

    Args:
        worker: A started process.
        on_message: Takes each checked message of `rpc`; may raise `ProtocolError`, which ends the worker.
        on_control: The same for `ctl`.
        on_raw: Takes what C code and child processes wrote.
        on_gone: Called once, with the reason, when the worker is gone and all it said has been read.
    """

    def __init__(
        self,
        worker: Worker,
        on_message: Callable[[Message], None],
        on_control: Callable[[Message], None],
        on_raw: Callable[[str], None],
        on_gone: Callable[[str], None],
    ) -> None:
        self._worker = worker
        self._lines = worker.lines
        self._on_message = on_message
        self._on_control = on_control
        self._on_raw = on_raw
        self._on_gone = on_gone
        self._rpc_frames = protocol.FrameDecoder()
        self._ctl_frames = protocol.FrameDecoder()
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._rpc_open = True
        self._gone = asyncio.Event()
        self._reason: str | None = None
        self.alive = True
        self.unknown_messages = 0

    async def connect(self) -> None:
        """Begin to read every channel; they are read at all times, a full one would stop the worker."""
        self._worker.watch(self._ended)
        await self._lines.connect(self._on_rpc, self._on_ctl, self._take_raw, self._lost)

    @property
    def can_stand(self) -> bool:
        """Whether a running block can be made to stand where it is."""
        return self._worker.can_stand

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; a dead worker gets none."""
        if self.alive:
            self._lines.send(protocol.encode(message))

    def control(self, message: dict[str, Any]) -> None:
        """Write a message on `ctl`; a dead worker gets none."""
        if self.alive:
            self._lines.control(protocol.encode(message))

    def abort(self, block: str, ended: Callable[[], bool]) -> None:
        """Have a block stopped: write which on `ctl`, then ring, until `ended` says that it is."""
        self._ring({"kind": "abort", "block": block}, self._worker.interrupt, ended, RING_S)

    def knock(self, block: str, wish: int, stands: Callable[[], bool]) -> None:
        """Have a block stand where it is: write which on `ctl`, then ring, until `stands` says so."""
        self._ring({"kind": "break", "block": block, "wish": wish}, self._worker.break_in, stands, RING_S)

    def ring_once(self) -> None:
        """Have the worker look at `ctl`."""
        if self.alive:
            self._worker.break_in()

    def _ring(
        self, message: dict[str, Any], bell: Callable[[], None], heard: Callable[[], bool], wait_s: float
    ) -> None:
        """Ring, and again, more and more rarely, until it was heard.

        A signal that arrives between the interpreter's last look and a system call does not interrupt that call.
        """
        if self.alive and not heard():
            self.control({**message, "again": wait_s > RING_S})
            bell()
            asyncio.get_running_loop().call_later(wait_s, self._ring, message, bell, heard, wait_s * 2)

    def kill(self) -> None:
        """End the process and its group."""
        self._worker.kill()

    async def end(self) -> None:
        """End the process and wait until it is gone, but not for ever."""
        self._worker.kill()
        try:
            async with asyncio.timeout(END_S):
                await self._gone.wait()
        except TimeoutError:
            self._bury()

    @property
    def obituary(self) -> str:
        """How the worker ended."""
        return f"the REPL died: {self._reason or self._worker.how_it_ended()}"

    def drain_raw(self) -> None:
        """Read what is in the raw pipe now, up to its size."""
        self._lines.drain()

    def _take_raw(self, data: bytes) -> None:
        if text := self._text.decode(data):
            self._on_raw(text)

    def _on_rpc(self, data: bytes) -> None:
        self._received(data, self._rpc_frames, protocol.FROM_WORKER, self._on_message)

    def _on_ctl(self, data: bytes) -> None:
        self._received(data, self._ctl_frames, protocol.FROM_WORKER_CTL, self._on_control)

    def _received(
        self, data: bytes, frames: protocol.FrameDecoder, kinds: frozenset[str], take: Callable[[Message], None]
    ) -> None:
        if self._reason is not None:
            return
        try:
            for frame in frames.feed(data):
                message = protocol.check(frame, kinds)
                if message is None:
                    self.unknown_messages += 1
                else:
                    take(message)
        except protocol.ProtocolError as error:
            self._reason = f"broke the protocol: {error}"
            self._worker.kill()

    def _lost(self) -> None:
        self._rpc_open = False
        if self._worker.returncode is None:
            asyncio.get_running_loop().call_later(EOF_S, self._end_the_speechless)
        else:
            self._bury()

    def _end_the_speechless(self) -> None:
        if self._worker.returncode is None:
            self._reason = self._reason or "closed its channel"
            self._worker.kill()

    def _ended(self) -> None:
        if self._rpc_open:
            # What it said last is still to be read; an escaped copy of it may keep the channel open for ever.
            asyncio.get_running_loop().call_later(EOF_S, self._bury)
        else:
            self._bury()

    def _bury(self) -> None:
        if not self.alive:
            return
        self.alive = False
        self.drain_raw()
        self._lines.close()
        self._on_gone(self.obituary)
        self._gone.set()

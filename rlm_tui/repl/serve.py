"""Puts a worker together and serves its host. Runs in the worker."""

from __future__ import annotations

import builtins
import os
import random
import sys
import types
from _queue import SimpleQueue
from _thread import get_ident
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from rlm_tui.repl.bell import Bell, Heard
from rlm_tui.repl.blocks import Parts, Runner
from rlm_tui.repl.bounds import Bounds
from rlm_tui.repl.channel import Channel
from rlm_tui.repl.limits import limit_resources
from rlm_tui.repl.names import Names, load
from rlm_tui.repl.report import Effects
from rlm_tui.repl.standing import Stand
from rlm_tui.repl.streams import Output, Owners, Stream

LISTING_CAP = 5000
"""Rows of a listing that was asked for."""
AT_ANY_TIME = frozenset({"rows", "page"})
"""What the reading thread answers itself, also while a block runs: it runs none of the model's code."""


def assemble(rpc: Sequence[int], ctl: int, reached: tuple[str, str, list[str]], policy: dict[str, Any]) -> Runner:
    """Put a worker together as far as that is the same for all of a run: a zygote does it once, before it forks them.

    So nothing is done here that a process has of its own: no thread, no handler, no limit, no output.

    Args:
        rpc: Descriptor the channel for everything has, or will have; two, to read from and to write to, where it is
            made of pipes, and then nobody can signal us.
        ctl: Descriptor of the channel for what is meant for the running block; a socket is non-blocking.
        reached: The level of confinement, the same in words, and what is missing in sentences.
        policy: What the host decided for every worker of its run; "memory" is the address space in bytes.
    """
    bell = Bell(ctl, rung=len(rpc) == 1)
    channel = Channel(rpc, bell)
    owners = Owners()
    output = Output(channel.send, bell, owners)
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    limit = channel.relief = Memory(policy)
    parts = Parts(
        channel=channel,
        bell=bell,
        bounds=Bounds(reached, policy),
        owners=owners,
        output=output,
        effects=Effects(lambda: owners.running is not None),
        names=Names(module.__dict__, channel, output, owners),
        module=module,
        streams={
            "stdin": sys.stdin,
            "stdout": Stream("stdout", output, owners, channel),
            "stderr": Stream("stderr", output, owners, channel),
        },
        limit=limit,
        own_threads={get_ident()},
    )
    sys.modules["__main__"] = module
    runner = Runner(parts)
    bell.stand = Stand(runner)
    return runner


def serve(
    runner: Runner, setup: dict[str, Any], die_with: Callable[[int], None], inherited: dict[str, Any]
) -> NoReturn:
    """Answer the host's messages for ever; its end is ours.

    Args:
        runner: From `assemble`.
        setup: The host's first message.
        die_with: Ties the calling process to the end of its parent, whose number it takes.
        inherited: Values a block's namespace may be given without a copy, by name.
    """
    parts = runner.parts
    channel = parts.channel
    parts.bell.listen()
    if isinstance(parts.bell.control, Heard):
        parts.own_threads.add(parts.bell.control.listen())
    random.seed(setup["seed"])
    parts.limit.begin()
    for name, stream in parts.streams.items():
        setattr(sys, name, stream)
    parts.effects.listen()
    runner.begin(setup["names"], setup["restore"])
    _mind_forks(channel, die_with)
    _mind_endings(channel, parts.output)
    inbox: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def deliver(message: dict[str, Any]) -> None:
        if message["kind"] in AT_ANY_TIME:
            channel.send(_answer_at_once(runner, message))
        else:
            inbox.put(message)

    # Until a block runs there is nothing that could be in the way of reading, and so no need for a thread.
    while (message := channel.next())["kind"] != "exec":
        channel.send(_answer(runner, inherited, message))
    parts.own_threads.update((channel.listen(deliver), parts.output.start()))
    while True:
        channel.send(_answer(runner, inherited, message))
        message = inbox.get()


def _answer(runner: Runner, inherited: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    kind = message["kind"]
    if kind == "exec":
        return runner.run(message["block"], load(message))
    if kind == "look":
        return runner.look(message["ask"], message["expression"])
    value: dict[str, Any] = {"status": "ok"}
    try:
        if kind == "put":
            runner.put(message["name"], load(message))
        elif kind == "inherit":
            runner.put(message["name"], inherited[message["name"]])
        elif kind == "read":
            value = runner.resolve(message["name"], message["block"])
        elif kind in AT_ANY_TIME:
            return _answer_at_once(runner, message)
        elif kind == "answer":
            runner.set_ready(message["ready"])
    except (KeyError, MemoryError, OSError, ValueError) as error:
        value = {"status": "error", "error": f"{type(error).__name__}: {error}"}
    return {"rows": [], **value, "kind": "value", "ask": message["ask"]}


def _answer_at_once(runner: Runner, message: dict[str, Any]) -> dict[str, Any]:
    if message["kind"] == "rows":
        value: dict[str, Any] = {"status": "ok", "rows": runner.rows(LISTING_CAP)}
    else:
        value = runner.page(message["name"], message["start"], message["count"])
    return {"rows": [], **value, "kind": "value", "ask": message["ask"]}


def _mind_forks(channel: Channel, die_with: Callable[[int], None]) -> None:
    main, here = get_ident(), os.getpid()

    def in_child() -> None:
        nonlocal here
        maker, here = here, os.getpid()
        first = not channel.orphan
        channel.abandon()
        # The kernel means the thread, so a fork made by a pool would end with its pool. A copy that gets to run only
        # when the worker is gone has another parent, and ends here. What a copy that is thrown away has made goes
        # with it in any case.
        if (first and get_ident() == main) or channel.thrown_away:
            die_with(maker)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)


def _mind_endings(channel: Channel, output: Output) -> None:
    """Have sent what was printed before a block ends the process by itself."""
    end = os._exit

    def _exit(status: int) -> NoReturn:
        try:
            if not channel.orphan and not channel.speaking:
                output.flush()
        finally:
            end(status)

    os._exit = _exit


class Memory:
    """The limit of the address space: called with True while a block runs. Entered, it is lifted for the while."""

    def __init__(self, policy: dict[str, Any]) -> None:
        self._policy = policy
        self._limit: Callable[[bool], None] = lambda _tight: None
        self._tight = False

    def begin(self) -> None:
        """Set all that is limited in this process; before, nothing is."""
        self._limit = limit_resources(self._policy)

    def __call__(self, tight: bool) -> None:
        """Set it, tight or with the head-room."""
        self._tight = tight
        self._limit(tight)

    def __enter__(self) -> None:
        self._limit(False)

    def __exit__(self, *_: object) -> None:
        self._limit(self._tight)

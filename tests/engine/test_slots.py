"""Who may act at the same time: nothing is lost, nothing is taken twice, nobody waits while holding."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from rlm_tui.engine.slots import Computing, Seat, Slots, Window
from tests.runs import DEADLINE_S


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, DEADLINE_S))


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


class OneSlot(Slots):
    def __init__(self) -> None:
        super().__init__(1)
        self.exec = asyncio.Semaphore(1)


async def call(block: Computing, answer: asyncio.Event) -> None:
    async with block.waiting():
        await answer.wait()


def test_a_block_gives_its_slot_back_while_it_waits_and_takes_it_before_it_is_answered() -> None:
    async def main() -> None:
        slots, answer = OneSlot(), asyncio.Event()
        async with Computing(slots) as block:
            assert slots.exec.locked()
            waiting = asyncio.ensure_future(call(block, answer))
            await settle()
            async with slots.exec:
                answer.set()
                await settle()
                assert not waiting.done(), "it was answered while another computed"
            await waiting
            assert slots.exec.locked()
        assert not slots.exec.locked()

    run(main())


def test_two_answers_at_once_take_one_slot() -> None:
    async def main() -> None:
        slots, first, second = OneSlot(), asyncio.Event(), asyncio.Event()
        async with Computing(slots) as block:
            one = asyncio.ensure_future(call(block, first))
            await settle()
            async with slots.exec:
                # The first answer waits for the slot; meanwhile another thread asks, and is answered too.
                first.set()
                await settle()
                two = asyncio.ensure_future(call(block, second))
                await settle()
                second.set()
                await settle()
            await asyncio.gather(one, two)
        assert not slots.exec.locked()
        await slots.exec.acquire()
        assert slots.exec.locked(), "there are more slots than there were"

    run(main())


def test_a_block_that_waits_in_one_thread_holds_no_slot_for_another() -> None:
    async def main() -> None:
        slots, first, second = OneSlot(), asyncio.Event(), asyncio.Event()
        async with Computing(slots) as block:
            one, two = (asyncio.ensure_future(call(block, answer)) for answer in (first, second))
            await settle()
            first.set()
            await one
            # What the second call waits for may need the slot.
            assert not slots.exec.locked()
            second.set()
            await two
            assert slots.exec.locked()

    run(main())


def test_a_cancelled_call_takes_nothing() -> None:
    async def main() -> None:
        slots = OneSlot()
        async with Computing(slots) as block:
            waiting = asyncio.ensure_future(call(block, asyncio.Event()))
            await settle()
            waiting.cancel()
            await settle()
            assert not slots.exec.locked()
            again = asyncio.Event()
            again.set()
            await call(block, again)
            assert slots.exec.locked()
        assert not slots.exec.locked()

    run(main())


async def sit(window: Window, inside: list[str], name: str, leave: asyncio.Event) -> None:
    async with window:
        inside.append(name)
        await leave.wait()
        inside.remove(name)


def test_a_window_lets_in_so_many_and_the_rest_in_their_order() -> None:
    async def main() -> None:
        window, inside = Window(2), list[str]()
        leave = {name: asyncio.Event() for name in "abcd"}
        tasks = {name: asyncio.ensure_future(sit(window, inside, name, leave[name])) for name in "abcd"}
        await settle()
        assert inside == ["a", "b"]
        tasks["c"].cancel()
        leave["a"].set()
        await settle()
        assert inside == ["b", "d"]
        leave["b"].set()
        leave["d"].set()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        async with window, window:
            pass

    run(main())


def test_a_held_seat_is_free_and_is_taken_back_at_once() -> None:
    async def main() -> None:
        window, inside, leave = Window(1), list[str](), asyncio.Event()
        async with window:
            seat = Seat(window)
            seat.hold()
            seat.hold()
            others = [asyncio.ensure_future(sit(window, inside, name, leave)) for name in "ab"]
            await settle()
            assert inside == ["a"], "two values held below one call free one seat"
            seat.release()
            seat.release()
        await settle()
        assert inside == ["a"]
        leave.set()
        await asyncio.gather(*others)

    run(main())


def test_a_seat_that_was_given_to_one_who_is_cancelled_goes_on_to_the_next() -> None:
    async def main() -> None:
        window, inside, leave = Window(1), list[str](), asyncio.Event()
        first = asyncio.ensure_future(sit(window, inside, "a", leave))
        await settle()
        second, third = (asyncio.ensure_future(sit(window, inside, name, leave)) for name in "bc")
        await settle()
        leave.set()
        await first
        # Its turn has come, and it is cancelled before it could sit.
        second.cancel()
        await asyncio.gather(second, third, return_exceptions=True)
        async with window:
            pass

    run(main())

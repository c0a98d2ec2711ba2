"""Sub-calls: from any thread, answered while the block runs, refused when it has ended."""

from __future__ import annotations

import asyncio

import pytest

from rlm_tui.repl.process import BlockResult, CallCancelled, CallFailed
from tests.repl.desk import Desk, Watch, never

Prompt = list[str] | str


def test_arguments_and_answers(desk: Desk) -> None:
    seen: list[tuple[str, str, Prompt, str | None]] = []

    async def call(block: str, fn: str, prompt: Prompt, model: str | None) -> str | list[str]:
        seen.append((block, fn, prompt, model))
        return [p.upper() for p in prompt] if isinstance(prompt, list) else prompt.upper()

    code = "print(llm_query('a'), llm_query('é\\ud800', model='m'), llm_query_batched(('b', 'c'), 'm'), llm_query_batched([]))"
    result = desk.run(code, on_call=call)
    assert result.stdout == "A É\ud800 ['B', 'C'] []\n"
    block = "root/i1/b1"
    assert seen == [
        (block, "llm_query", "a", None),
        (block, "llm_query", "é\ud800", "m"),
        (block, "llm_query_batched", ["b", "c"], "m"),
        (block, "llm_query_batched", [], None),
    ]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("llm_query(None)", "TypeError: llm_query() needs a str prompt, not NoneType"),
        ("llm_query(b'x')", "TypeError: llm_query() needs a str prompt, not bytes"),
        ("llm_query({})", "TypeError: llm_query() needs a str prompt, not dict"),
        ("llm_query('x', 3)", "TypeError: llm_query() needs a str model, not int"),
        ("llm_query()", "TypeError: "),
        ("llm_query_batched('x')", "TypeError: llm_query_batched() needs a list of str prompts, not str"),
        ("llm_query_batched(['x', 1])", "TypeError: llm_query_batched() needs a list of str prompts, not int"),
        ("llm_query('x' * (13 << 20))", "over the cap of 12,582,912 for one call"),
    ],
)
def test_wrong_arguments_are_errors_in_the_block(desk: Desk, code: str, error: str) -> None:
    called: list[Prompt] = []

    async def call(block: str, fn: str, prompt: Prompt, model: str | None) -> str:
        called.append(prompt)
        return ""

    result = desk.run(code, on_call=call)
    assert result.status == "error"
    assert error in (result.error or "")
    assert called == []
    assert desk.still_there()


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (CallFailed("RateLimit: slow down"), "SubcallError: RateLimit: slow down"),
        (CallCancelled(), "SubcallError: cancelled"),
    ],
)
def test_failed_calls_raise_in_the_block(desk: Desk, raised: Exception, message: str) -> None:
    async def call(block: str, fn: str, prompt: Prompt, model: str | None) -> str:
        raise raised

    result = desk.run("llm_query('x')", on_call=call)
    assert result.status == "error"
    assert (result.error or "").endswith(message)
    caught = desk.run("try: llm_query('x')\nexcept RuntimeError as e: print(e)", on_call=call)
    assert caught.stdout == message.removeprefix("SubcallError: ") + "\n"


def test_an_answer_larger_than_a_frame(desk: Desk) -> None:
    async def call(block: str, fn: str, prompt: Prompt, model: str | None) -> str | list[str]:
        return "é\r\n" * 7_000_000 if isinstance(prompt, str) else ["y" * 9_000_000, "z" * 9_000_000]

    assert desk.run("x = llm_query('a'); x == 'é\\r\\n' * 7_000_000", on_call=call).value == "True"
    assert desk.run("[len(y) for y in llm_query_batched(['a', 'b'])]", on_call=call).value == "[9000000, 9000000]"


def test_calls_of_many_threads_run_at_once(desk: Desk) -> None:
    """Each call waits until all eight are open, so they could not be answered one after another."""
    open_calls: list[Prompt] = []

    async def work() -> BlockResult:
        all_open = asyncio.Event()

        async def call(block: str, fn: str, prompt: Prompt, model: str | None) -> str:
            open_calls.append(prompt)
            if len(open_calls) == 8:
                all_open.set()
            await all_open.wait()
            return f"<{prompt}>"

        code = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(8) as pool:\n"
        return await desk.execute(code + "    print(*pool.map(llm_query, 'abababab'))", on_call=call)

    assert desk.wait(work()).stdout == "<a> <b> <a> <b> <a> <b> <a> <b>\n"
    assert sorted(map(str, open_calls)) == list("aaaabbbb")


def test_more_calls_than_may_be_open_wait_for_their_turn(desk: Desk) -> None:
    most = 0
    now = 0

    async def call(block: str, fn: str, prompt: Prompt, model: str | None) -> str:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return ""

    code = (
        "import threading\nthreading.stack_size(64 << 10)\ndone = []\n"
        "ts = [threading.Thread(target=lambda: done.append(llm_query('x'))) for _ in range(1300)]\n"
        "for t in ts: t.start()\nfor t in ts: t.join()\nlen(done)"
    )
    result = desk.run(code, on_call=call)
    assert (result.status, result.value) == ("ok", "1300")
    assert 1 <= most <= 1024


def test_a_thread_that_outlives_its_block_cannot_call(desk: Desk) -> None:
    first = (
        "import threading\ngo = threading.Event()\nseen = []\ndef f():\n    go.wait()\n"
        "    try: seen.append(llm_query('x'))\n    except Exception as e: seen.append(repr(e))\n"
        "t = threading.Thread(target=f, daemon=True); t.start()"
    )
    assert desk.run(first).status == "ok"
    result = desk.run("go.set(); t.join(); seen[0]")
    assert "SubcallError('BlockEnded" in (result.value or "")


def test_a_call_that_is_open_when_its_block_ends_is_cancelled(desk: Desk) -> None:
    cancelled: list[Prompt] = []
    code = (
        "import threading\nseen = []\ndef f():\n"
        "    try: llm_query('leaked')\n    except Exception as e: seen.append(repr(e))\n"
        "t = threading.Thread(target=f, daemon=True); t.start()\nllm_query('until the other is open')"
    )

    async def work() -> BlockResult:
        leaked = asyncio.Event()

        async def call(block: str, fn: str, prompt: Prompt, model: str | None) -> str | list[str]:
            if prompt != "leaked":
                await leaked.wait()
                return ""
            leaked.set()
            try:
                return await never(block, fn, prompt, model)
            except asyncio.CancelledError:
                cancelled.append(prompt)
                raise

        return await desk.execute(code, on_call=call)

    assert desk.wait(work()).status == "ok"
    assert cancelled == ["leaked"]
    assert desk.run("t.join(); seen[0]").value == "\"SubcallError('cancelled')\""


def test_a_str_subclass_is_its_text(desk: Desk) -> None:
    code = (
        "class S(str):\n    def __str__(self): return 'no'\n    def encode(self, *a): return b'no'\nllm_query(S('yes'))"
    )
    assert desk.run(code).value == "'<yes>'"


def test_the_listing_is_answered_during_a_call(desk: Desk) -> None:
    names: list[str] = []

    async def look(_: Watch) -> None:
        names.extend(v.name for v in await desk.repl.variables())
        await desk.repl.interrupt()

    result = desk.while_running("x = 1\nprint('go', flush=True)\nllm_query('x')", look, on_call=never)
    assert result.status == "aborted"
    assert names == ["answer", "x"]

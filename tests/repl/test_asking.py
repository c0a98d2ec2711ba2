"""What is asked without changing anything: an expression in a copy, a page of a value, what a source was given."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from pathlib import Path

import pytest

from rlm_tui.repl import asking
from rlm_tui.repl.birth import Spawning, open_source
from rlm_tui.repl.process import (
    BlockResult,
    Conditions,
    Looked,
    NotHere,
    Page,
    Repl,
    ReplConfig,
    ReplDied,
)
from rlm_tui.repl.protocol import PAGE_ROWS, PAGE_TEXT
from tests.repl.desk import DEADLINE_S, NAMES, Desk, Watch, echo

GO = "print('go', flush=True)\n"


def look(desk: Desk, expression: str) -> Looked:
    return desk.wait(desk.repl.look(expression))


class TestLook:
    def test_it_changes_nothing(self, desk: Desk) -> None:
        desk.run("x = [1]\ndef add():\n    x.append(2)\n    print('added')\n    return x")
        assert look(desk, "add()") == Looked("ok", "[1, 2]", "added\n")
        assert look(desk, "globals().clear()") == Looked("ok", "None", "")
        assert look(desk, "__import__('os').chdir('/')").status == "ok"
        result = desk.run("x, __import__('os').getcwd() != '/'")
        assert (result.value, result.stdout, result.raw, result.effects) == ("([1], True)", "", "", ())
        assert result.changed == ()

    @pytest.mark.parametrize(
        ("expression", "status", "text"),
        [
            ("1 / 0", "error", "ZeroDivisionError: division by zero"),
            ("1 +", "error", "SyntaxError: invalid syntax"),
            ("x = 1", "error", "SyntaxError"),
            ("nothing_like_it", "error", "NameError: name 'nothing_like_it' is not defined"),
            ("exit(3)", "error", "NameError"),
            ("__import__('sys').exit(3)", "error", "SystemExit: 3"),
            ("__import__('os')._exit(1)", "died", "exit code 1"),
            ("__import__('os').abort()", "died", "signal 6"),
            ("llm_query('x')", "error", "NotPossible"),
            ("'\\ud800 \\x1b[2J'", "ok", "'\\ud800 \\x1b[2J'"),
            ("input()", "error", "EOFError"),
            ("  1\n ", "ok", "1"),
            ("'x' * 10_000_000", "ok", "characters left out"),
            ("'x' * 10 ** 11", "error", "MemoryError"),
            ("print('o' * 10_000_000)", "ok", "None"),
            ("__import__('os').write(1, b'raw')", "ok", "3"),
            ("__import__('os').write(2, b'raw')", "ok", "3"),
        ],
    )
    def test_outcomes(self, desk: Desk, expression: str, status: str, text: str) -> None:
        looked = look(desk, expression)
        assert looked.status == status, looked
        assert text in looked.text
        assert len(looked.output) < 2 << 20
        result = desk.run("'on'")
        assert (result.value, result.raw) == ("'on'", "")

    @pytest.mark.parametrize("expression", ["[0 for _ in iter(int, 1)]", "__import__('time').sleep(1e6)"])
    def test_one_that_does_not_end_is_ended(self, desk: Desk, expression: str) -> None:
        looked = look(desk, expression)
        assert looked == Looked("timeout", "No answer within 2 s; the copy was ended.")
        assert desk.still_there()

    def test_a_copy_that_goes_on_after_its_answer_is_ended(self, desk: Desk) -> None:
        code = (
            "import os, threading, time\ndef leave():\n    threading.Thread(target=time.sleep, args=(1e6,)).start()\n"
        )
        desk.run(code + "    return os.getpid()")
        looked = look(desk, "leave()")
        assert looked.status == "ok"
        result = desk.run(f"try: os.kill({looked.text}, 0)\nexcept OSError as e: print(type(e).__name__)")
        assert result.stdout in ("ProcessLookupError\n", "PermissionError\n")

    def test_what_a_copy_has_forked_ends_with_it(self, desk: Desk) -> None:
        deep = "def fork(depth):\n    pid = os.fork()\n    if pid: return pid\n    if depth: fork(depth - 1)\n"
        desk.run(f"import os, time\n{deep}    else: os.write(said[1], str(os.getpid()).encode())\n    time.sleep(1e6)")
        desk.run("said = os.pipe()")
        for depth in (0, 2):
            looked = look(desk, f"fork({depth}) and os.read(said[0], 20).decode()")
            assert looked.status == "ok", looked
            try:
                last = os.pidfd_open(int(looked.text.strip("'")))
            except ProcessLookupError:
                continue
            ended = select.select([last], [], [], DEADLINE_S)[0]
            os.close(last)
            assert ended, "it has outlived the copy"
        assert desk.still_there()

    def test_leftover_threads_are_told_of(self, desk: Desk) -> None:
        desk.run(
            "import threading\nlock, stop = threading.Lock(), threading.Event()\n"
            "def hold():\n    with lock: stop.wait()\nt = threading.Thread(target=hold, daemon=True); t.start()\n"
            "while not lock.locked(): pass"
        )
        looked = look(desk, "lock.acquire()")
        assert (looked.status, "Other threads" in looked.text) == ("timeout", True)
        assert desk.run("stop.set(); t.join(); lock.locked()").value == "False"

    def test_a_result_that_forges_the_answer(self, desk: Desk) -> None:
        """The copy is the model's: whatever it writes where its answer goes, it is checked."""
        desk.run(
            "import os, stat\ndef forge(body):\n    for n in range(3, 64):\n        try:\n"
            "            if stat.S_ISFIFO(os.fstat(n).st_mode): os.write(n, len(body).to_bytes(4, 'big') + body)\n"
            "        except OSError: pass\n"
        )
        for body in ("b'[1]'", "b'{}'", "b'[' * 10000", 'b\'["ok", 1, ""]\'', 'b\'["fine", "", ""]\'', "b'\\xff'"):
            assert look(desk, f"forge({body})").status == "died", body
        assert look(desk, "[os.write(n, b'\\xff' * 4) for n in range(3, 64) if stat.S_ISFIFO(os.fstat(n).st_mode)]")
        assert desk.still_there()

    def test_while_a_block_runs_it_is_refused(self, desk: Desk) -> None:
        async def act(_: Watch) -> None:
            with pytest.raises(RuntimeError, match="running"):
                await desk.repl.look("1")
            await desk.repl.interrupt()

        assert desk.while_running(GO + "while True: pass", act).status == "aborted"

    def test_no_zombie_and_no_descriptor_is_left(self, desk: Desk) -> None:
        desk.run(
            "import os\ndef is_open(n):\n    try: os.fstat(n)\n    except OSError: return False\n    return True\n"
        )
        count = "sum(map(is_open, range(256)))"
        before = desk.run(count).value
        for _ in range(20):
            assert look(desk, "1").text == "1"
        assert desk.run(count).value == before
        assert desk.run("try: os.waitpid(-1, os.WNOHANG)\nexcept ChildProcessError: print('none')").stdout == "none\n"

    def test_a_worker_that_dies_meanwhile(self, desk: Desk) -> None:
        async def work() -> None:
            question = asyncio.create_task(desk.repl.look("__import__('time').sleep(1)"))
            await asyncio.sleep(0)  # lets the question be sent
            await desk.repl.kill()
            with pytest.raises(ReplDied):
                await question

        desk.wait(work())


class TestPage:
    def page(self, desk: Desk, name: str, start: int = 0, count: int = 10) -> Page:
        return desk.wait(desk.repl.page(name, start, count))

    def test_text(self, desk: Desk) -> None:
        desk.run(r"s, b, a = 'aé\ud800' * 100_000, b'\x00ab' * 100_000, bytearray(b'xyz')")
        assert self.page(desk, "s", 1, 4) == Page("s", "text", "str", 300_000, 1, "é\ud800aé")
        assert self.page(desk, "b", 300, 4) == Page("b", "text", "bytes", 300_000, 300, r"\x00ab\x00")
        assert self.page(desk, "a") == Page("a", "text", "bytearray", 3, 0, "xyz")
        assert len(self.page(desk, "s", 0, 10**9).text) == PAGE_TEXT
        assert self.page(desk, "s", 300_000).text == ""
        whole = "".join(self.page(desk, "s", start, PAGE_TEXT).text for start in range(0, 300_000, PAGE_TEXT))
        assert whole == "aé\ud800" * 100_000

    def test_items(self, desk: Desk) -> None:
        desk.run(
            "big = list(range(1_000_000))\nd = {f'k{i}': [i] for i in range(1000)}\nt = ('a', 'bc')\n"
            "st = {5}\nfs = frozenset()\nr = range(10**30)"
        )
        page = self.page(desk, "big", 999_998)
        assert (page.kind, page.type, page.total, page.start) == ("items", "list", 1_000_000, 999_998)
        assert [(v.name, v.type, v.size, v.brief) for v in page.rows] == [
            ("999998", "int", None, "999998"),
            ("999999", "int", None, "999999"),
        ]
        assert len(self.page(desk, "big", 5, 10**9).rows) == PAGE_ROWS
        assert [(v.name, v.size, v.brief) for v in self.page(desk, "d", 998).rows] == [
            ("'k998'", 1, "[998]"),
            ("'k999'", 1, "[999]"),
        ]
        assert [(v.name, v.size) for v in self.page(desk, "t").rows] == [("0", 1), ("1", 2)]
        assert [v.brief for v in self.page(desk, "st").rows] == ["5"]
        assert self.page(desk, "fs").rows == ()
        assert self.page(desk, "r", 10**15, 1).rows[0].brief == str(10**15)
        assert self.page(desk, "r").total == (1 << 53) - 1

    def test_nothing_of_the_models_runs(self, desk: Desk) -> None:
        desk.run(
            "ran = []\ndef bad(*a, **k):\n    ran.append(1)\n    raise ZeroDivisionError\n"
            "class Plain:\n    __repr__ = __str__ = __len__ = __iter__ = __hash__ = __eq__ = __getattribute__ = bad\n"
            "class Dict(dict):\n    __repr__ = __len__ = __iter__ = items = __getattribute__ = bad\n"
            "class Str(str):\n    __repr__ = __len__ = __getitem__ = __str__ = __eq__ = bad\n    __hash__ = str.__hash__\n"
            "plain, evil, text, within = Plain(), Dict(a=1), Str('x'), {1: Plain(), (Str('k'),): Dict()}\n"
            "globals()[Str('within2')] = 1\nran.clear()"
        )
        assert self.page(desk, "plain") == Page("plain", "plain", "Plain", 0, 0, "<Plain>")
        assert self.page(desk, "evil").text == "<Dict>"
        assert self.page(desk, "text").text == "<Str>"
        assert [(v.name, v.brief) for v in self.page(desk, "within").rows] == [
            ("1", "<Plain>"),
            ("(<Str>,)", "<Dict>"),
        ]
        with pytest.raises(LookupError):
            self.page(desk, "within2")
        assert desk.run("len(ran)").value == "0"

    def test_while_a_block_runs(self, desk: Desk) -> None:
        async def act(_: Watch) -> None:
            assert (await desk.repl.page("x", 0, 10)).text == "seen"
            await desk.repl.interrupt()

        assert desk.while_running("x = 'seen'\n" + GO + "while True: pass", act).status == "aborted"

    def test_one_that_changes_meanwhile(self, desk: Desk) -> None:
        code = (
            "import threading\nd, s = {}, set()\nstop = []\ndef churn():\n    i = 0\n    while not stop:\n"
            "        d[i] = i; s.add(i); d.pop(i - 500, None); s.discard(i - 500); i += 1\n"
            "t = threading.Thread(target=churn, daemon=True); t.start()"
        )
        desk.run(code)
        for i in range(50):
            assert self.page(desk, "d", i, 400).kind == "items"
            assert len(self.page(desk, "s", 0, 400).rows) <= 400
        assert desk.run("stop.append(1); t.join()").status == "ok"

    def test_a_name_that_is_not_there(self, desk: Desk) -> None:
        for name in ("nothing", "llm_query", "__name__"):
            with pytest.raises(LookupError, match=name):
                self.page(desk, name)

    @pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, -1)])
    def test_what_is_no_page(self, desk: Desk, start: int, count: int) -> None:
        with pytest.raises(ValueError, match="page"):
            self.page(desk, "answer", start, count)


@pytest.mark.parametrize("forks", [True, False])
def test_what_a_source_was_given_is_inherited(tmp_path: Path, forks: bool) -> None:
    async def value(repl: Repl, code: str) -> str | None:
        return (await repl.execute(code, code, on_output=lambda *_: None, on_call=echo)).value

    async def work() -> None:
        conditions = Conditions(scratch_root=tmp_path)
        source = await open_source(conditions) if forks else Spawning(conditions)
        try:
            await source.give("context", "c" * 20_000_000)
            await source.give("data", {"a": [1, 2]})
            repl = await Repl.start(ReplConfig(NAMES, restore=frozenset({"context"})), source)
            await repl.inherit("context")
            await repl.inherit("data")
            assert await value(repl, "len(context), data") == "(20000000, {'a': [1, 2]})"
            assert await value(repl, "context = data = None") is None
            assert await value(repl, "len(context), data ") == "(20000000, None)"
            with pytest.raises(KeyError):
                await repl.inherit("nothing")
            await repl.close()
        finally:
            await source.close()

    asyncio.run(asyncio.wait_for(work(), DEADLINE_S))
    assert list(tmp_path.iterdir()) == []


class TestElsewhere:
    """Where there is no such signal or no fork, it is said in words."""

    def test_no_signal_to_break_in_with(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        async def act(_: Watch) -> None:
            with monkeypatch.context() as without:
                without.delattr(signal, "SIGUSR1")
                with pytest.raises(NotHere, match="no signal"):
                    await desk.repl.break_in()
                with pytest.raises(NotHere, match="no signal"):
                    await desk.repl.step()
            await desk.repl.interrupt()

        result: BlockResult = desk.while_running(GO + "while True: pass", act)
        assert result.status == "aborted"

    def test_no_fork(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "fork")
        answer = asking.look(None, 7, "1", {})  # type: ignore[arg-type]
        assert answer["looked"]["status"] == "error"
        assert answer["looked"]["text"].startswith("This system has no fork")

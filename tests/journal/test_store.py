from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal.events import FORMAT, Blob, Edit, Event, LlmEnd, Obs, Unknown
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, JournalError, in_use, read
from tests.journal import strategies
from tests.journal.build import picture, run_start, two_levels

LONG = "wörds " * 2000


def written(runs: Path, events: list[Event] | None = None) -> Path:
    """A run on disk, closed."""
    journal = Journal.create(runs, clock=lambda: 1.5)
    for event in two_levels().events if events is None else events:
        journal.append(event)
    journal.close()
    assert journal.path is not None
    return journal.path


def lines(path: Path) -> list[bytes]:
    return (path / "journal.jsonl").read_bytes().splitlines(keepends=True)


def test_a_folder_that_goes_away_between_two_steps_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, gone = Path.mkdir, list[Path]()

    def vanishing(self: Path, *modes: int, **options: bool) -> None:
        mkdir(self, *modes, **options)
        if self.name == "runs" and len(gone) < 3:
            gone.append(self)
            self.rmdir()

    monkeypatch.setattr(Path, "mkdir", vanishing)
    assert written(tmp_path / "runs").is_dir() and len(gone) == 3


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no place where nothing can be made")
def test_where_no_folder_can_be_made_it_is_one_line() -> None:
    with pytest.raises(JournalError, match="cannot make"):
        Journal.create(Path("/proc/nowhere/runs"))


@given(strategies.RUNS)
def test_live_loaded_and_in_memory_are_the_same(tmp_path_factory: pytest.TempPathFactory, events: list[Event]):
    ticks = itertools.count(1.0)
    ours = Journal.create(tmp_path_factory.mktemp("runs"), clock=lambda: next(ticks))
    ticks_too = itertools.count(1.0)
    memory = Journal.memory(clock=lambda: next(ticks_too))
    live = [ours.append(event) for event in events]
    assert [memory.append(event) for event in events] == live == list(ours.events()) == list(memory.events())
    ours.close()
    assert ours.path is not None
    again = Journal.open(ours.path)
    assert list(again.events()) == list(again.events()) == live
    assert list(read(ours.path).events()) == live
    again.close()
    shutil.rmtree(ours.path.parent)


def test_numbers_go_on_where_they_were_and_times_are_the_clocks(tmp_path: Path):
    path = written(tmp_path, [run_start()])
    journal = Journal.open(path, clock=lambda: 123.4567891)
    event = journal.append(Obs(id="root/i1", text="a", seq=77, t=5.0))
    assert (event.seq, event.t) == (1, 123.456789)
    assert list(journal.events())[-1] == event
    journal.close()


def test_a_long_text_is_in_a_file_of_its_own_before_its_event_is(tmp_path: Path):
    journal = Journal.create(tmp_path)
    assert journal.path is not None
    seen: list[str] = []
    journal.subscribe(lambda event: seen.append(read(journal.path).text(event.text)))
    kept = journal.append(Obs(id="root/i1", text=LONG))
    assert isinstance(kept.text, Blob)
    assert (kept.text.length, kept.text.head) == (len(LONG), LONG[:256])
    assert seen == [LONG]
    assert (journal.path / "blobs" / kept.text.sha256).read_bytes() == LONG.encode()
    assert journal.append(Obs(id="root/i2", text=LONG)).text == kept.text
    assert len(list((journal.path / "blobs").iterdir())) == 1
    journal.close()


@pytest.mark.parametrize("what", ["gone", "damaged"])
def test_a_missing_text_is_a_line_and_never_taken_for_the_text(tmp_path: Path, what: str):
    path = written(tmp_path, [run_start(), Obs(id="root/i1", text=LONG)])
    (blob,) = (path / "blobs").iterdir()
    if what == "gone":
        blob.unlink()
    else:
        blob.write_bytes(b"x" + blob.read_bytes()[1:])
    reader = read(path)
    event = list(reader.events())[1]
    line = reader.text(event.text)
    assert line == f"[the text is missing: 12,000 characters, blob {blob.name[:12]}]"
    assert reader.text(event.text) == line
    assert reader.notices == [line]
    with pytest.raises(JournalError, match="the text is missing"):
        reader.text(event.text, strict=True)


def test_a_blobs_name_cannot_lead_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "secret").write_text("s")
    source = Journal.create(tmp_path / "runs")
    assert source.path is not None
    (source.path / "blobs").mkdir()
    hostile = {"$blob": "../../../secret", "length": 1}
    event = source.append(Unknown.model_validate({"ev": "moon.rise", "id": "root", "text": hostile}))
    fork = Journal.create(tmp_path / "other" / "runs" / "below")
    fork.copy(event, source)
    assert not list((tmp_path / "other").rglob("secret"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
        assert source.text(Blob.model_validate(hostile)).startswith("[the text is missing")
    source.close()
    fork.close()


def test_texts_that_are_not_there_are_empty():
    journal = Journal.memory()
    assert journal.text(None) == journal.text("") == ""


@pytest.mark.parametrize("keep", [0, 1, 5])
def test_a_torn_last_line_is_cut_at_every_byte(tmp_path: Path, keep: int):
    path = written(tmp_path)
    whole = lines(path)[: keep + 1]
    before, last = b"".join(whole[:-1]), whole[-1]
    events = list(read(path).events())[:keep]
    for n in range(1, len(last)):
        (path / "journal.jsonl").write_bytes(before + last[:n])
        reader = read(path)
        assert list(reader.events()) == events
        assert reader.notices == [f"line {keep + 1} is left out: it is unfinished"]
        journal = Journal.open(path)
        assert journal.notices == [f"line {keep + 1} was cut off: it is unfinished"]
        assert list(journal.events()) == events
        assert journal.append(Obs(id="root/i9", text="on")).seq == keep
        journal.close()
        assert lines(path)[:keep] == whole[:-1]
        assert len(list(read(path).events())) == keep + 1


@given(st.data())
def test_whatever_is_torn_off_the_end_the_rest_is_read_and_written_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    path = written(tmp_path_factory.mktemp("runs"), data.draw(strategies.RUNS))
    whole = (path / "journal.jsonl").read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    (path / "journal.jsonl").write_bytes(whole[:cut])
    events = list(read(path).events())
    assert len(events) == whole[:cut].count(b"\n")
    journal = Journal.open(path)
    journal.append(Obs(id="root/i1", text="on"))
    journal.close()
    again = read(path)
    assert list(again.events())[:-1] == events
    assert not [notice for notice in again.notices if "newer" not in notice]
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("last", [b"not json\n", b"\0\0\0\n", b'{"seq":99,"t":0,"ev":"go","id":"root"}\n', b"\0" * 512])
def test_a_last_line_that_is_no_event_is_cut(tmp_path: Path, last: bytes):
    path = written(tmp_path)
    good = (path / "journal.jsonl").read_bytes()
    (path / "journal.jsonl").write_bytes(good + last)
    journal = Journal.open(path)
    assert len(journal.notices) == 1
    assert "was cut off" in journal.notices[0]
    journal.close()
    assert (path / "journal.jsonl").read_bytes() == good


@pytest.mark.parametrize("damage", ["garbage", "missing line", "twice"])
def test_damage_in_the_middle_is_never_cut(tmp_path: Path, damage: str):
    path = written(tmp_path)
    whole = lines(path)
    hurt = {
        "garbage": [*whole[:6], b"#" * 20 + b"\n", *whole[7:]],
        "missing line": [*whole[:6], *whole[7:]],
        "twice": [*whole[:6], whole[5], *whole[6:]],
    }[damage]
    (path / "journal.jsonl").write_bytes(b"".join(hurt))
    with pytest.raises(JournalError, match=r"line 7 is damaged: .*; it can be read up to there$"):
        Journal.open(path)
    assert lines(path) == hurt
    assert not in_use(path)
    reader = read(path)
    assert len(list(reader.events())) == 6
    assert [notice.partition(":")[0] for notice in reader.notices] == ["line 7 is damaged"]
    assert Run(reader.events()).seen == 6


@pytest.mark.parametrize("content", [b"notes of mine\n", b"notes", b'{"type": "metadata"}\n{"type": "x"}\n', b"\n\n"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: bytes):
    (tmp_path / "journal.jsonl").write_bytes(content)
    for use in (Journal.open, read):
        with pytest.raises(JournalError, match=r"is not a run: journal\.jsonl does not begin as a journal does$"):
            use(tmp_path)
    assert (tmp_path / "journal.jsonl").read_bytes() == content


def test_what_is_not_there_is_not_a_run(tmp_path: Path):
    for path, why in ((tmp_path, "it has no journal.jsonl"), (tmp_path / "x", "it is not there")):
        for use in (Journal.open, read, in_use):
            with pytest.raises(JournalError, match=why):
                use(path)


def test_a_run_is_named_by_its_journal_too(tmp_path: Path):
    path = written(tmp_path)
    assert read(path / "journal.jsonl").path == path
    journal = Journal.open(path / "journal.jsonl")
    assert (journal.path, journal.id) == (path, path.name)
    journal.close()


def test_a_newer_format_is_read_and_not_written(tmp_path: Path):
    path = written(tmp_path, [run_start(format=FORMAT + 1), Obs(id="root/i1", text="a")])
    before = lines(path)
    with pytest.raises(JournalError, match=f"has format {FORMAT + 1}, of a newer version"):
        Journal.open(path)
    assert lines(path) == before
    assert len(list(read(path).events())) == 2


def test_events_of_a_newer_version_are_kept_and_told_of(tmp_path: Path):
    newer = Unknown.model_validate({"ev": "moon.rise", "id": "root", "phase": "full"})
    path = written(tmp_path, [run_start(), newer])
    journal = Journal.open(path)
    assert journal.notices == ["1 event is from a newer version, and kept as they came"]
    kept = list(journal.events())[1]
    assert isinstance(kept, Unknown)
    assert kept.model_extra == {"phase": "full"}
    journal.close()


def test_only_one_process_writes(tmp_path: Path):
    journal = Journal.create(tmp_path)
    journal.append(run_start())
    assert journal.path is not None
    assert in_use(journal.path)
    script = (
        "import sys; from pathlib import Path; from rlm_tui.journal.store import *\n"
        "path = Path(sys.argv[1])\n"
        "print(len(list(read(path).events())), in_use(path))\n"
        "try: Journal.open(path)\n"
        "except JournalError as error: print(error)\n"
        "else: print('opened')\n"
    )

    def other() -> list[str]:
        done = subprocess.run([sys.executable, "-c", script, journal.path], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    busy = f"{journal.path} is in use: another process writes it; it can be read meanwhile"
    assert other() == ["1 True", busy]
    with pytest.raises(JournalError, match="is in use"):
        Journal.open(journal.path)
    journal.close()
    assert other() == ["1 False", "opened"]


def test_a_process_started_meanwhile_does_not_keep_the_lock(tmp_path: Path):
    journal = Journal.create(tmp_path)
    journal.append(run_start())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        journal.close()
        assert journal.path is not None
        assert not in_use(journal.path)
        other.communicate(b"\n")


def test_after_close_nothing_is_appended_and_all_is_read(tmp_path: Path):
    for journal in (Journal.create(tmp_path), Journal.memory()):
        event = journal.append(Obs(id="root/i1", text=LONG))
        journal.close()
        journal.close()
        assert journal.closed
        with pytest.raises(JournalError, match=r"^the journal is closed$"):
            journal.append(event)
        assert list(journal.events()) == [event]
        assert journal.text(event.text) == LONG


def test_subscribers_get_every_event_in_order_in_the_writers_thread():
    journal = Journal.memory()
    first: list[tuple[int, int]] = []
    second: list[int] = []

    def answer(event: Event) -> None:
        first.append((event.seq, threading.get_ident()))
        if event.seq < 3:
            journal.append(Obs(id="root/i1", text="again"))

    journal.subscribe(answer)
    journal.subscribe(lambda event: second.append(event.seq))
    journal.append(run_start())
    assert first == [(n, threading.get_ident()) for n in range(4)]
    assert second == [0, 1, 2, 3]
    journal.unsubscribe(answer)
    journal.unsubscribe(answer)
    journal.append(run_start())
    assert (len(first), second[-1]) == (4, 4)


def test_a_subscriber_that_raises_is_dropped_and_told_of():
    journal = Journal.memory()
    seen: list[int] = []

    def broken(event: Event) -> None:
        raise ValueError("oh")

    journal.subscribe(broken)
    journal.subscribe(lambda event: seen.append(event.seq))
    journal.append(run_start())
    journal.append(run_start())
    assert seen == [0, 1]
    assert journal.notices == ["a subscriber was dropped: ValueError: oh"]


def test_many_threads_append_and_no_number_is_missing_or_torn(tmp_path: Path):
    journal = Journal.create(tmp_path)
    seen: list[int] = []
    journal.subscribe(lambda event: seen.append(event.seq))

    def write(n: int) -> None:
        for k in range(50):
            journal.append(LlmEnd(id=f"root/i{n}", attempt=k, status="ok", reply="r" * (k * 200)))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert journal.path is not None
    assert [event.seq for event in read(journal.path).events()] == list(range(300)) == seen


def test_loading_after_subscribing_takes_nothing_twice(tmp_path: Path):
    journal = Journal.create(tmp_path)
    told = two_levels().events
    run = Run()
    for event in told[:10]:
        journal.append(event)
    journal.subscribe(run.apply)
    loading = journal.events()
    run_too = Run(loading)
    journal.subscribe(run_too.apply)
    for event in told[10:]:
        journal.append(event)
    for event in journal.events():
        run_too.apply(event)
    assert picture(run_too) == picture(Run(journal.events()))
    journal.close()


def test_a_copied_event_keeps_its_time_and_shares_its_text(tmp_path: Path):
    source = Journal.create(tmp_path, clock=lambda: 5.0)
    messages = [{"role": "user", "content": LONG}]
    kept = [
        source.append(Obs(id="root/i1", text=LONG)),
        source.append(Edit(id="root/i2", field="messages", value=messages)),
    ]
    fork = Journal.create(tmp_path)
    memory = Journal.memory()
    assert source.path is not None
    assert fork.path is not None
    fork.append(run_start())
    for event in kept:
        copied = fork.copy(event, read(source.path))
        assert copied == event.model_copy(update={"seq": event.seq + 1})
        memory.copy(event, source)
    (blob,) = (fork.path / "blobs").iterdir()
    assert blob.stat().st_nlink == 2
    source.close()
    shutil.rmtree(source.path)
    assert fork.text(kept[0].text) == LONG == fork.text(list(fork.events())[2].value[0]["content"])
    assert memory.text(kept[0].text) == LONG
    fork.close()


def test_a_run_is_its_owners_alone(tmp_path: Path):
    path = written(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    assert (path / "journal.jsonl").stat().st_mode & 0o077 == 0


def test_a_run_is_not_begun_over_another(tmp_path: Path):
    path = written(tmp_path)
    with pytest.raises(JournalError, match="is there already"):
        Journal.create(tmp_path, run_id=path.name)
    for name in ("../x", "a/b", "", "..", "."):
        with pytest.raises(JournalError, match="cannot be a run's id"):
            Journal.create(tmp_path, run_id=name)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_crash_left_half_written_is_swept(tmp_path: Path):
    path = written(tmp_path, [run_start(), Obs(id="root/i1", text=LONG)])
    left = path / "blobs" / ("0" * 64 + ".tmp")
    left.write_text("half")
    Journal.open(path).close()
    assert not left.exists()
    assert len(list((path / "blobs").iterdir())) == 1

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal.blobs import MemoryBlobs
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import KINDS, Blob, Edit, LlmEnd, Obs, Unknown
from rlm_tui.journal.store import Journal
from rlm_tui.journal.wire import BadLine, blobs_in, decode, encode, is_long, stow
from tests.journal import strategies


def test_every_kind_of_event_is_generated():
    assert set(strategies.KINDS) == KINDS
    assert len(KINDS) == 16


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_kind_round_trips(kind: str):
    @given(strategies.KINDS[kind])
    def check(event):
        blobs = MemoryBlobs()
        kept = stow(event.model_copy(update={"seq": 0, "t": 1.5}), blobs.put)
        assert decode(encode(kept)) == kept

    check()


@given(st.text(st.characters(), max_size=400).map(lambda text: text * 40))
def test_any_text_comes_back_as_it_was(text: str):
    journal = Journal.memory()
    kept = journal.append(Obs(id="root/i1", text=text))
    assert isinstance(kept.text, Blob) == is_long(text)
    assert journal.text(kept.text) == text


@pytest.mark.parametrize(
    "text", ["\0", "\udc80", "\ud83d", "\ud83d\ude00", "a\r\nb\x85\u2028", "\x1b[31m", "\U0010ffff"]
)
def test_characters_that_others_lose(tmp_path: Path, text: str):
    with_journal = Journal.create(tmp_path)
    with_journal.append(Obs(id="root/i1", text=text))
    with_journal.append(Obs(id="root/i1", text=text * 5000))
    with_journal.close()
    again = Journal.open(with_journal.path)
    assert [again.text(event.text) for event in again.events()] == [text, text * 5000]
    again.close()


def test_an_adjacent_pair_of_surrogates_stays_two_characters():
    # Written as two escapes, JSON would read them as one.
    assert len(decode(encode(Obs(id="root/i1", text="\ud83d\ude00", seq=0))).text) == 2


@given(strategies.JSON)
def test_free_json_that_looks_like_a_blob_is_not_taken_for_one(value):
    journal = Journal.memory()
    kept = journal.append(Edit(id="root/i1", field="note", value=value, was={"$blob": "0" * 64, "length": 3}))
    read = decode(encode(kept))
    assert read == kept
    assert read.was == {"$blob": "0" * 64, "length": 3}
    assert blobs_in(read.was) == {"0" * 64}
    assert not isinstance(read.was, Blob)


def test_long_texts_anywhere_in_free_json_are_put_away():
    journal = Journal.memory()
    long = "x" * 5000
    kept = journal.append(Edit(id="root/i1", field="messages", value=({"role": "user", "content": long}, [long])))
    assert isinstance(kept.value, list)
    assert journal.text(kept.value[0]["content"]) == journal.text(kept.value[1][0]) == long
    assert len(encode(kept)) < 2000
    assert decode(encode(kept)) == kept


def test_what_is_not_json_is_named_by_its_type_and_its_own_text_is_not_asked():
    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("asked")

    journal = Journal.memory()
    kept = journal.append(Edit(id="root", field="params", value={"a": Loud(), 3: (1, 2), "b": {1}}))
    assert kept.value == {"a": f"<{__name__}.{Loud.__qualname__}>", "3": [1, 2], "b": "<builtins.set>"}
    assert decode(encode(kept)) == kept


def test_what_is_nested_too_deeply_is_refused_in_one_line_and_nothing_is_written(tmp_path: Path):
    journal = Journal.create(tmp_path)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(JournalError, match=r"^cannot write edit at root: nested too deeply$"):
        journal.append(Edit(id="root", field="note", value=deep))
    with pytest.raises(JournalError, match="cannot write edit at root"):
        journal.append(Edit(id="root", field="note", value=10**5000))
    assert journal.append(Obs(id="root/i1", text="after")).seq == 0
    journal.close()


def test_an_unknown_kind_is_kept_as_it_came():
    line = b'{"seq":4,"t":1.0,"ev":"moon.rise","id":"root","phase":{"$blob":"x","$$blob":1},"more":[null]}\n'
    event = decode(line)
    assert isinstance(event, Unknown)
    assert json.loads(encode(event)) == json.loads(line)


def test_an_unknown_field_is_kept_as_it_came():
    line = b'{"seq":4,"t":1.0,"ev":"obs","id":"root/i1","text":"a","tide":{"$blob":"x"}}\n'
    event = decode(line)
    assert isinstance(event, Obs)
    assert json.loads(encode(event)) == json.loads(line)


def test_a_known_kind_with_a_value_of_a_newer_version_is_kept_too():
    line = b'{"seq":4,"t":1.0,"ev":"llm.end","id":"root/i1","status":"dreamt"}\n'
    event = decode(line)
    assert isinstance(event, Unknown)
    assert event.ev == "llm.end"
    assert json.loads(encode(event)) == json.loads(line)


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"null\n", b"[]\n", b"{}\n", b'{"seq":"0","ev":"obs","id":"a"}\n', b'{"seq":0,"ev":"obs"}\n',
     b'{"seq":0,"ev":"obs","id":"a","text":"x', b"\xff\n", b"[" * 100_000 + b"\n", b'{"seq":true,"ev":"x","id":"a"}\n',
     b'{"seq":' + b"9" * 5000 + b',"ev":"x","id":"a"}\n'],
)  # fmt: skip
def test_what_is_no_event_is_told_from_one(line: bytes):
    with pytest.raises(BadLine):
        decode(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_bad_line(data: bytes):
    with contextlib.suppress(BadLine):
        decode(data)


def test_an_event_with_nothing_long_is_not_copied():
    event = LlmEnd(id="root/i1", status="ok", reply="short")
    assert stow(event, MemoryBlobs().put) is event

"""Frames and messages, and the host's checks of them; and that the two sides agree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.repl import asking, changes, channel, messages, names, protocol, report, standing, streams, wire
from rlm_tui.repl.meter import TAIL, Budget, Meter
from rlm_tui.repl.protocol import FrameDecoder, ProtocolError

DONE: dict[str, Any] = {
    "kind": "done",
    "block": "b",
    "status": "ok",
    "value": None,
    "error": None,
    "answer_ready": False,
    "rows": [["x", "int", None, "1"]],
    "removed": ["y"],
    "more": 0,
    "put_back": [],
    "effects": [],
    "cuts": {"stdout": {"kept": 1, "total": 2, "tail": ""}},
    "ms": 1.5,
    "cpu_ms": 0,
}

HELD: dict[str, Any] = {
    "kind": "held",
    "block": "b",
    "wish": 1,
    "line": 2,
    "frames": [[2, "f", "b"]],
    "locals": [["x", "int", None, "1"]],
    "threads": 0,
}
VALUE: dict[str, Any] = {
    "kind": "value",
    "ask": 1,
    "status": "ok",
    "rows": [],
    "looked": {"status": "ok", "text": "1", "output": ""},
    "page": {"kind": "items", "type": "list", "total": 1, "start": 0, "text": "", "rows": [["0", "int", None, "1"]]},
}


def test_both_sides_have_the_same_table() -> None:
    assert wire.VERSION == protocol.VERSION
    assert channel.RECEIVES == protocol.TO_WORKER
    assert channel.RECEIVES_CTL == protocol.TO_WORKER_CTL
    assert channel.SENDS == protocol.FROM_WORKER
    assert channel.SENDS_CTL == protocol.FROM_WORKER_CTL
    assert set(protocol._READERS) == protocol.FROM_WORKER | protocol.FROM_WORKER_CTL
    assert (channel.FRAME_CAP, channel.CALL_CAP) == (protocol.FRAME_CAP, protocol.CALL_CAP)
    assert channel.OPEN_CALLS_CAP == protocol.OPEN_CALLS_CAP
    assert (names.NOTES_CAP, names.NOTES_SIZE) == (protocol.NOTES_CAP, protocol.NOTES_SIZE)
    assert streams.OUTPUT_CAP == protocol.OUTPUT_CAP
    assert (changes.ROWS_CAP, report.EFFECTS_CAP) == (protocol.ROWS_CAP, protocol.EFFECTS_CAP)
    assert (standing.FRAMES_CAP, standing.LOCALS_CAP) == (protocol.FRAMES_CAP, protocol.LOCALS_CAP)
    assert (asking.PAGE_TEXT, asking.PAGE_ROWS, asking.LOOK_S) == (
        protocol.PAGE_TEXT,
        protocol.PAGE_ROWS,
        protocol.LOOK_S,
    )


texts = st.text(alphabet=st.characters(codec=None, categories=None), max_size=20)


@given(st.lists(st.dictionaries(texts, texts, max_size=3), max_size=5), st.integers(1, 50))
def test_frames_round_trip_in_pieces_of_any_size(messages: list[dict[str, Any]], step: int) -> None:
    data = b"".join(map(protocol.encode, messages))
    decoder = FrameDecoder()
    seen = [m for i in range(0, len(data), step) for m in decoder.feed(data[i : i + step])]
    assert seen == messages
    bodies = b"".join(len(b).to_bytes(4, "big") + b for b in map(wire.encode, messages))
    assert bodies == data


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_break_the_protocol(data: bytes) -> None:
    try:
        for message in FrameDecoder().feed(data):
            protocol.check(message)
    except ProtocolError:
        return


@given(
    st.dictionaries(
        st.sampled_from(sorted(DONE)), st.recursive(st.none() | st.booleans() | st.floats() | texts, st.lists)
    )
)
def test_no_fields_do_anything_but_break_the_protocol(fields: dict[str, Any]) -> None:
    try:
        protocol.check({**DONE, **fields})
    except ProtocolError:
        return


def test_a_length_over_the_cap_is_refused_by_its_prefix_alone() -> None:
    with pytest.raises(ProtocolError, match="4,294,967,295"):
        list(FrameDecoder().feed(b"\xff\xff\xff\xff"))
    assert list(FrameDecoder().feed(protocol.FRAME_CAP.to_bytes(4, "big"))) == []


def test_our_own_frames_have_the_cap_too() -> None:
    with pytest.raises(ValueError, match="cap"):
        protocol.encode({"text": "x" * protocol.FRAME_CAP})


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"1" * 5000 + b"}", b"\xff", b"1", b""]
)
def test_malformed_json_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(FrameDecoder().feed(len(body).to_bytes(4, "big") + body))


def test_a_message_is_checked_field_by_field() -> None:
    assert isinstance(protocol.check(DONE), messages.DoneMessage)
    for field in DONE:
        if field not in ("value", "error", "answer_ready"):  # may be absent
            with pytest.raises(ProtocolError):
                protocol.check({key: value for key, value in DONE.items() if key != field})
        with pytest.raises(ProtocolError):
            protocol.check({**DONE, field: float("nan") if "ms" in field else [{}]})


@pytest.mark.parametrize("number", [True, -1, 1 << 60, 1.0, "1", None])
def test_numbers_are_whole_and_in_range(number: Any) -> None:
    with pytest.raises(ProtocolError):
        protocol.check({**DONE, "more": number})


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": []},
        {"frames": [[2, "f", "b"]] * (protocol.FRAMES_CAP + 1)},
        {"frames": [[2, "f"]]},
        {"frames": [[2, "f", None]]},
        {"frames": [[-1, "f", "b"]]},
        {"frames": [{}]},
        {"frames": 1},
        {"locals": [["x", "int", None, "1"]] * (protocol.LOCALS_CAP + 1)},
        {"locals": [["x", "int", None]]},
        {"line": None},
        {"threads": -1},
        {"wish": "1"},
        {"block": 1},
    ],
)
def test_a_standing_block_is_told_in_bounds(wrong: dict[str, Any]) -> None:
    held = protocol.check(HELD, protocol.FROM_WORKER_CTL)
    assert isinstance(held, messages.HeldMessage)
    assert (held.standing.line, held.standing.frames[0].function) == (2, "f")
    with pytest.raises(ProtocolError):
        protocol.check({**HELD, **wrong}, protocol.FROM_WORKER_CTL)


@pytest.mark.parametrize("part", ["looked", "page"])
def test_answers_are_checked_field_by_field(part: str) -> None:
    assert isinstance(protocol.check(VALUE), messages.ValueMessage)
    for field in VALUE[part]:
        for wrong in ([{}], None):
            with pytest.raises(ProtocolError):
                protocol.check({**VALUE, part: {**VALUE[part], field: wrong}})
    with pytest.raises(ProtocolError):
        protocol.check({**VALUE, part: []})


def test_a_channel_carries_only_its_own_kinds() -> None:
    assert protocol.check(HELD) is None
    assert protocol.check({**DONE, "kind": "note"}, protocol.FROM_WORKER_CTL) is None
    assert isinstance(protocol.check(DONE, protocol.FROM_WORKER_CTL), messages.DoneMessage)


def test_unknown_kinds_are_for_the_caller_to_count() -> None:
    assert protocol.check({"kind": "weather", "is": "fine"}) is None


@given(st.lists(st.text(max_size=30)), st.integers(0, 100))
def test_a_meter_keeps_the_head_and_counts_the_rest(pieces: list[str], cap: int) -> None:
    meter = Meter(Budget(cap))
    kept = "".join(map(meter.take, pieces))
    whole = "".join(pieces)
    assert kept == whole[:cap]
    assert (meter.kept, meter.total, meter.tail) == (len(kept), len(whole), whole[cap:])


def test_a_meters_tail_is_bounded() -> None:
    meter = Meter(Budget(3))
    for i in range(200):
        meter.take(str(i % 10) * 10_000)
    assert len(meter.tail) == TAIL
    assert meter.tail.endswith("8" * 10 + "9" * 10_000)
    assert (meter.kept, meter.total) == (3, 2_000_000)
    assert json.dumps(meter.tail)

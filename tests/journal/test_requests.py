"""Model requests in the fold: the messages that were sent, the reply that counts, what it all cost."""

from __future__ import annotations

import pytest

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    LlmStart,
    Message,
    Usage,
)
from tests.journal.build import USAGE, Tape, two_levels

SCRIPTED = Usage(prompt=5, completion=5, source="scripted")


# Messages -------------------------------------------------------------------------------------------------------------


def said(n: int) -> Message:
    return Message(role="user", content=f"m{n}")


def test_messages_are_rebuilt_from_what_was_added():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", add=(said(0), said(1)))
    tape.ask("root/i2", base=2, add=(said(2), said(3)))
    # The history before this one was edited: only the first message is carried over.
    tape.ask("root/i3", base=1, add=(said(9),))
    tape.ask("root/i4", base=2, add=(said(4),))
    # Another attempt carries everything over from the one before.
    tape.add(LlmStart(id="root/i4", attempt=2, base=3, add=()))
    tape.ask("root/default", base=1, add=(said(5),))
    run = tape.run()
    assert run.root is not None
    sent = [[m.content for m in a.messages()] for i in run.root.iterations for a in i.attempts]
    assert sent == [["m0", "m1"], ["m0", "m1", "m2", "m3"], ["m0", "m9"], ["m0", "m9", "m4"], ["m0", "m9", "m4"]]
    assert run.root.default is not None
    assert [m.content for m in run.root.default.attempts[0].messages()] == ["m0", "m5"]


def test_messages_of_children_and_leaves_do_not_mix():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", add=(said(0),))
    tape.code("root/i1/b1")
    (leaf,) = tape.batch("root/i1/b1", 1, "llm")
    tape.ask(leaf, add=(said(50),))
    tape.ask(leaf, base=1, add=(said(51),), attempt=2)
    tape.ask("root/i2", base=1, add=(said(1),))
    run = tape.run()
    assert [m.content for m in run.calls[leaf].attempts[1].messages()] == ["m50", "m51"]
    assert [m.content for m in run.iterations["root/i2"].attempts[0].messages()] == ["m0", "m1"]


def test_the_reply_that_counts():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "lost", status="error", usage=None, wait=1.0)
    assert tape.run().iterations["root/i1"].reply is None
    tape.ask("root/i1", "second", attempt=2)
    assert tape.run().iterations["root/i1"].reply == "second"
    tape.ask("root/i1", "third", attempt=3, status="cancelled")
    assert tape.run().iterations["root/i1"].reply == "second"
    tape.edit("root/i1", "reply", "mine", "second")
    assert tape.run().iterations["root/i1"].reply == "mine"


# Totals ---------------------------------------------------------------------------------------------------------------


def test_totals_climb_the_tree():
    run = two_levels().run()
    assert run.root is not None
    assert (run.root.own.requests, run.root.own.tokens) == (3, 300)
    assert (run.totals.requests, run.totals.tokens) == (6, 600)
    assert run.totals.cost == pytest.approx(0.06)
    assert run.nodes[address.call("root/i2/b1", "rlm", "part 1", None, 1)].total.tokens == 100
    usage = run.totals.usage()
    assert usage is not None
    assert (usage.prompt, usage.completion, usage.source) == (540, 60, "provider")


def test_a_leaf_counts_for_the_node_that_asked_and_not_as_its_own():
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    (leaf,) = tape.batch("root/i1/b1", 1, "llm")
    tape.ask(leaf)
    tape.back(leaf, usage=USAGE)
    run = tape.run()
    assert run.root is not None
    assert (run.root.own.requests, run.root.total.requests, run.root.total.tokens) == (0, 1, 100)
    assert run.calls[leaf].usage == USAGE


def test_what_another_backend_counted_is_counted_once():
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    (call,) = tape.batch("root/i1/b1", 1, ran_as="opaque")
    tape.back(call, usage=USAGE)
    tape.back(call, usage=USAGE)
    assert tape.run().totals.tokens == 100


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        ([], None),
        ([None], Usage()),
        ([SCRIPTED, SCRIPTED], Usage(prompt=10, completion=10, source="scripted")),
        ([SCRIPTED, USAGE], Usage(prompt=95, completion=15, source="mixed")),
        ([USAGE, None], Usage(source="provider")),
        ([Usage(prompt=1, completion=1, source="provider")], Usage(prompt=1, completion=1, source="provider")),
        ([Usage(prompt=1, completion=1, source="estimate", cost=0.5), USAGE],
         Usage(prompt=91, completion=11, cost=0.51, source="estimate")),
        ([Usage(prompt=7, source="provider")], Usage(source=None)),
    ],
)  # fmt: skip
def test_what_is_unknown_stays_unknown(usages: list[Usage | None], expected: Usage | None):
    tape = Tape()
    tape.begin()
    for k, usage in enumerate(usages, 1):
        tape.ask(f"root/i{k}", usage=usage)
    assert tape.run().totals.usage() == expected


def test_a_failed_request_counts_only_what_it_cost():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", status="error", usage=None, wait=2.0)
    assert (tape.run().totals.requests, tape.run().errors) == (0, 0)
    tape.ask("root/i1", status="error", usage=USAGE, attempt=2)
    assert (tape.run().totals.tokens, tape.run().errors) == (100, 1)

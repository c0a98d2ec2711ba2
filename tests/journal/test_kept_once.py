"""A fold of a million events: what comes again in it is kept once."""

from __future__ import annotations

import copy
import sys

from rlm_tui.journal.events import Message, Usage, VariableRow
from rlm_tui.journal.run import Run
from rlm_tui.journal.wire import decode, encode
from tests.journal.build import USAGE, Tape


def test_what_comes_again_is_kept_once() -> None:
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "a reply " * 9)
    tape.code("root/i1/b1")
    (leaf,) = tape.batch("root/i1/b1", 1, kind="llm")
    tape.ask(leaf, "an answer " * 9, add=(Message(role="user", content="part 0"),))
    tape.back(leaf, "an answer " * 9, usage=USAGE.model_copy())
    tape.ran("root/i1/b1", changed=tuple(VariableRow(name=f"na{'me'}", type=f"li{'st'}", size=n) for n in (1,)))
    tape.say("root/i1", "what came of it " * 9)
    told = (Message(role="assistant", content="a reply " * 9), Message(role="user", content="what came of it " * 9))
    tape.ask("root/i2", base=2, add=told)
    # As from a file: no object is any other's.
    run = Run(decode(encode(event)) for event in tape.events)
    first, second = (run.iterations[f"root/i{k}"] for k in (1, 2))
    call = run.calls[leaf]
    assert second.attempts[0].add[0].content is first.attempts[0].reply
    assert second.attempts[0].add[1].content is first.obs
    assert call.attempts[0].sent is call.prompt
    assert call.attempts[0].add == (Message(role="user", content="part 0"),) == tuple(call.attempts[0].messages())
    assert call.value is call.attempts[0].reply and call.usage is call.attempts[0].usage
    assert call.attempts[0].id is call.id and first.attempts[0].id is first.id
    assert [message.content for message in second.attempts[0].messages()][-2:] == [one.content for one in told]
    row = run.blocks["root/i1/b1"].changed[0]
    assert row.name is sys.intern("name") and row.type is sys.intern("list")


def test_values_that_share_what_nobody_asks_for_are_values_all_the_same() -> None:
    one, same, more = (
        Usage(prompt=1),
        Usage.model_validate({"prompt": 1}),
        Usage.model_validate({"prompt": 1, "new": 2}),
    )
    assert one == same != more and (one.model_extra, more.model_extra) == ({}, {"new": 2})
    changed = one.model_copy(update={"cost": 0.5})
    assert (changed.cost, one.cost) == (0.5, None) and copy.deepcopy(changed) == changed
    assert more.model_dump(exclude_defaults=True) == {"prompt": 1, "new": 2}

"""What is selected in a run, what stands there, and the ways from it to other things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rlm_tui.journal import address
from rlm_tui.journal.events import Blob, Text
from rlm_tui.journal.run import Run
from rlm_tui.journal.tree import Block, Call, Held, Iteration, Node
from rlm_tui.tui.labels import Labels

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import Scope

Item = Iteration | Block | Call

OBS = "/obs"
ANSWER = "/answer"


def as_text(value: Any) -> Text:
    """A text from free JSON of an event, whichever way it is kept there; empty for None."""
    if isinstance(value, str | Blob):
        return value
    if isinstance(value, dict) and "$blob" in value:
        return Blob.model_validate(cast("dict[str, Any]", value))
    return "" if value is None else str(cast("object", value))


def in_hand(held: Held, key: str) -> Text:
    """A text of a held value; empty when there is none."""
    return as_text(held.value.get(key))


class Selection:
    """A place in a run.

    Attributes:
        node: The address whose trajectory is shown: an RLM node's or a leaf call's.
        item: The address of the selected row: an iteration, a block, a call, an iteration + ``/obs``, a node +
            ``/answer``; None for what the node was asked.
        scope: What the verbs that go on are of: the node, it and what is below it, or the run.
        labels: What calls are called.
    """

    def __init__(self) -> None:
        self.node = address.ROOT
        self.item: str | None = None
        self.scope: Scope = "node"
        self.labels = Labels()
        self._asked: dict[str, Iteration] = {}

    @property
    def run(self) -> Run:
        """The run that it is a place in."""
        raise NotImplementedError

    # What is there ---------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> Node | Call | None:
        """The node, or the leaf call, whose trajectory is shown."""
        return self.run.nodes.get(self.node) or self.run.calls.get(self.node)

    def thing(self, id: str | None = None) -> Item | Node | None:
        """What an item's address stands for: an iteration for its observation, a node for its answer.

        Args:
            id: The item's address; None means the selected one.
        """
        id = id or self.item
        if id is None:
            return None
        if id.endswith(OBS):
            return self.run.iterations.get(id.removesuffix(OBS))
        if id.endswith(ANSWER):
            id = id.removesuffix(ANSWER)
            return self.run.nodes.get(id) or self.run.calls.get(id)
        return (
            self.run.blocks.get(id) or self.run.calls.get(id) or self.run.iterations.get(id) or self._about_to_ask(id)
        )

    def iterations(self, node: Node) -> list[Iteration]:
        """The iterations of a node, the default answer's, and one whose first request is held and was never sent."""
        found = [*node.iterations, *([node.default] if node.default else [])]
        held = self.held_in(node.id)
        asked = self._about_to_ask(held.id) if held is not None and held.node == node.id else None
        return [*found, asked] if asked is not None else found

    def about_to_ask(self, iteration: Iteration) -> bool:
        """Whether an iteration's request is held, not sent yet."""
        held = self.run.held.get(iteration.id)
        return held is not None and held.point == "llm"

    def _about_to_ask(self, id: str) -> Iteration | None:
        """The iteration of a held request that the journal knows nothing else of yet."""
        held = self.run.held.get(id)
        if held is None or held.point != "llm" or id in self.run.iterations or id in self.run.calls:
            return None
        node = self.run.nodes.get(held.node)
        if node is not None and id not in self._asked:
            self._asked[id] = Iteration(id, address.number(id), node)
        return self._asked.get(id)

    def code(self, block: Block) -> Text:
        """The code of a block: as it runs or ran, or, before anyone changed it, as it is held."""
        held = self.run.held.get(block.id)
        if held is not None and held.point == "block" and block.was is None and "code" in held.value:
            return in_hand(held, "code")
        return block.code

    def newest(self) -> str | None:
        """The address of the row of the shown node that a person wants to see: held, else live, else last."""
        held = self.held_in(self.node)
        if held is not None:
            return self.item_of(held)
        shown = self.shown
        if shown is None:
            return None
        if isinstance(shown, Call):
            return shown.id if shown.status == "open" else shown.id + ANSWER
        if shown.status != "open":
            return shown.id + ANSWER
        last = shown.default or (shown.iterations[-1] if shown.iterations else None)
        if last is None:
            return None
        if last.obs is not None:
            return last.id + OBS
        ran = [block for block in last.blocks if block.origin != "eval"]
        return ran[-1].id if ran else last.id

    def item_of(self, held: Held) -> str:
        """The address of the row on which a held value is shown."""
        if held.point == "limit" and held.id == held.node and held.id in self.run.nodes:
            return held.node + ANSWER
        if held.id in self.run.calls:
            return held.id
        if held.point == "observe":
            return held.id + OBS
        if held.point == "final":
            return held.node + ANSWER
        if held.point != "llm" and held.id not in self.run.blocks and held.id not in self.run.iterations:
            up = address.parent(held.id)
            return up if up in self.run.iterations else held.node + ANSWER
        return held.id

    def held_in(self, node: str) -> Held | None:
        """The newest value held in a node, or of a leaf call."""
        found = self.run.held.get(node)
        if found is not None:
            return found
        shown = self.run.nodes.get(node)
        if shown is not None and shown.held is not None and shown.held.id in self.run.held:
            return shown.held
        return next((h for h in reversed(self.run.held.values()) if h.node == node), None)

    def held_here(self) -> Held | None:
        """The value held for the selected row, else the newest one of the shown node; None when nothing is.

        On the row of a child that goes on, only what that child holds is meant.
        """
        for held in self.run.held.values():
            if self.item is not None and self.item_of(held) == self.item:
                return held
        child = self.run.nodes.get(self.selected_call() or "")
        return self.held_in(child.id if child is not None and child.status == "open" else self.node)

    def selected_call(self) -> str | None:
        """The address of the call on whose row the cursor is; None elsewhere."""
        return self.item if self.item in self.run.calls and self.item != self.node else None

    def held_within(self) -> list[Held]:
        """What is held in the scope that is set: of the selected node, of it and what is below, or of the run."""
        if self.scope == "run":
            return list(self.run.held.values())
        here = self.held_here()
        if self.scope == "node":
            return [here] if here is not None else []
        top = here.node if here is not None else self.selected_call() or self.node
        return [held for held in self.run.held.values() if address.within(top, held.id)]

    def home_of(self, held: Held) -> str:
        """The address to show for a held value: a call's own, else its node's."""
        return held.id if held.id in self.run.calls else held.node

    def next_held(self) -> str | None:
        """The address to show for the held thing after the current one, round and round; None when nothing is held."""
        homes = list(dict.fromkeys(self.home_of(held) for held in self.run.held.values()))
        if not homes:
            return None
        here = self.held_here()
        now = self.node if self.node in homes else self.home_of(here) if here else ""
        return homes[(homes.index(now) + 1) % len(homes)] if now in homes else homes[0]

    # Going about ---------------------------------------------------------------------------------------------------

    def parent_node(self) -> str | None:
        """The address of the node that asked for the shown one; None at the root."""
        call = self.run.calls.get(self.node)
        return address.node_of(call.block.id) if call else None

    def child_node(self) -> str | None:
        """The address of a call below: the selected one, else of the selected block, else the node's last.

        Among several the held one comes first, then one that runs.
        """
        thing = self.thing()
        if isinstance(thing, Call):
            return thing.id if thing.id != self.node else None
        shown = self.shown
        calls = thing.calls if isinstance(thing, Block) else []
        if not calls and isinstance(shown, Node):
            calls = list(shown.calls())[-1:]
        rank = {"held": 0, "sampling": 1, "executing": 1, "waiting": 1, "between": 1}
        best = min(calls, key=lambda call: rank.get(call.state, 2), default=None)
        return best.id if best else None

    def iteration_back(self) -> str | None:
        """The address of the iteration before the selected one; the first one's own from inside it."""
        return self._iteration(-1)

    def iteration_forward(self) -> str | None:
        """The address of the iteration after the selected one; None at the last."""
        return self._iteration(1)

    def _iteration(self, step: int) -> str | None:
        node = self.run.nodes.get(self.node)
        all_ = self.iterations(node) if node is not None else []
        if not all_:
            return None
        here = self.iteration_of(self.item)
        if here is None:
            return (all_[-1] if self.item and self.item.endswith(ANSWER) else all_[0]).id
        at = next((n for n, iteration in enumerate(all_) if iteration is here), 0)
        if step < 0 and self.item != here.id:
            return here.id
        return all_[at + step].id if 0 <= at + step < len(all_) else None

    def iteration_of(self, id: str | None) -> Iteration | None:
        """The iteration of the shown node that an item belongs to."""
        thing = self.thing(id) if id else None
        if isinstance(thing, Call):
            thing = thing.block
        if isinstance(thing, Block):
            base = thing.id.rsplit("+", 1)[0] if "+" in thing.id.rsplit("/", 1)[-1] else thing.id
            return self.run.iterations.get(address.parent(base)) or self.run.iterations.get(base)
        return thing if isinstance(thing, Iteration) else None

    def label(self, id: str) -> str:
        """What a node or a call is called: harmless, on one line, not cut."""
        if (call := self.run.calls.get(id)) is not None:
            return self.labels.call(call)
        return "root" if id == address.ROOT else id

    def path(self, id: str | None = None) -> list[str]:
        """The labels from the root down to a node or a call.

        Args:
            id: Its address; None means the shown one.
        """
        id = id or self.node
        labels: list[str] = []
        while (call := self.run.calls.get(id)) is not None:
            labels.append(self.labels.call(call))
            id = address.node_of(call.block.id)
        return ["root", *reversed(labels)]

"""What the breakpoints make of a value that passes a gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from rlm_tui.debugger.breakpoints import Breakpoints, Entry
from rlm_tui.debugger.edits import current
from rlm_tui.debugger.expressions import ExpressionError
from rlm_tui.debugger.language import Rule
from rlm_tui.engine.gate import (
    Answer,
    Ask,
    Code,
    Failure,
    GateValue,
    LimitHit,
    Observation,
    Request,
    V,
    Verdict,
    apply_edit,
)
from rlm_tui.journal import address
from rlm_tui.journal.events import Edit, EditField, Point, Text, head
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.journal.tree import Call, Iteration, Node
from rlm_tui.llm.base import Reply

LOG_CAP = 500
"""Characters of what a breakpoint logs."""

WholeText = Callable[[Text | None], str]


@dataclass(frozen=True, slots=True)
class Met:
    """What the breakpoints made of a value.

    Attributes:
        value: As they changed it.
        edits: What they did, for the journal.
        reason: Which of them, in words.
        holds: Whether it is to be held.
    """

    value: GateValue
    edits: tuple[Edit, ...] = ()
    reason: str = ""
    holds: bool = False


@dataclass(slots=True)
class Scene:
    """A value at a gate, as a condition sees it. What there is not at a point is None.

    ``node`` its node's address · ``depth`` of it, 0 for the root · ``iteration`` its number, from 1 · ``model`` asked,
    or to be asked · ``code`` of the block in hand, or of the block a call is of · ``reply`` of this iteration ·
    ``prompt`` of a call, or the last message of a request · ``out`` an observation, or what came back from a call ·
    ``error`` the message of what failed · ``value`` the text in hand, which ``has`` searches · ``tokens`` and ``cost``
    (US dollars) of the whole run so far · ``ms`` that the reply, the call or the iteration's blocks took · ``fn`` the
    function a call was made with · ``n`` items of its batch, 1 for a single call · ``edited`` whether a person's hand
    is in what is in hand, or before it.

    Args:
        run: The fold of the journal.
        text: Gives the whole of a text.
        point: Where.
        id: The address.
        node: The node's.
        hand: The value in hand.
    """

    run: Run
    text: WholeText
    point: Point
    id: str
    node: str
    hand: GateValue
    _known: dict[str, Any] = field(default_factory=dict[str, Any])

    def look_up(self, name: str) -> Any:
        """The value of a name."""
        if name not in self._known:
            self._known[name] = getattr(self, f"_{name}")()
        return self._known[name]

    def forget(self) -> None:
        """What is in hand was changed."""
        self._known.clear()

    def searched(self) -> str:
        """The text in hand."""
        return cast(str, self.look_up("value"))

    # Where it is --------------------------------------------------------------------------------------------------

    def folded(self) -> Node | None:
        """Its node, as far as the journal goes."""
        return self.run.nodes.get(self.node)

    def call(self) -> Call | None:
        """The sub-call in hand."""
        return self.run.calls.get(self.id)

    def turn(self) -> Iteration | None:
        """Its iteration."""
        id = self.id
        while id != self.node and id not in self.run.iterations and (up := address.parent(id)) != id:
            id = up
        return self.run.iterations.get(id)

    def label(self) -> str:
        """The first line of what its node was asked; of a call in hand, of that."""
        asked = self.hand.prompt if isinstance(self.hand, Ask) else None
        node, call = self.folded(), self.call()
        if asked is None:
            asked = head(call.prompt) if call is not None else head(node.prompt) if node is not None else ""
        return asked.lstrip().partition("\n")[0]

    def depth(self) -> int:
        """Its node's depth."""
        node = self.folded()
        return node.depth if node is not None else 0

    # Names --------------------------------------------------------------------------------------------------------

    def _node(self) -> str:
        return self.node

    def _depth(self) -> int:
        return self.depth()

    def _iteration(self) -> int:
        turn = self.turn()
        # Before its first event an iteration is known by its address only.
        return turn.k if turn is not None else address.number(self.id)

    def _code(self) -> str | None:
        if isinstance(self.hand, Code):
            return self.hand.code
        block = self.run.blocks.get(self.id) or self.run.blocks.get(address.parent(self.id))
        return None if block is None else self.text(block.code)

    def _reply(self) -> str | None:
        if isinstance(self.hand, Reply):
            return self.hand.text
        turn = self.turn()
        return None if turn is None or turn.reply is None else self.text(turn.reply)

    def _prompt(self) -> str | None:
        match self.hand:
            case Ask(prompt=prompt):
                return prompt
            case Request(messages=messages):
                return messages[-1]["content"] if messages else ""
            case _:
                call = self.call()
                return None if call is None else self.text(call.prompt)

    def _out(self) -> str | None:
        match self.hand:
            case Observation(text=text) | Answer(text=text):
                return text
            case _:
                return None

    def _error(self) -> str | None:
        match self.hand:
            case Failure(error=error):
                return error.message
            case Answer(status=status, text=text, error=error) if status not in ("ok", "supplied"):
                return error.message if error is not None else text
            case _:
                turn = self.turn() if self.point == "observe" else None
                failed = [block for block in turn.blocks if block.error is not None] if turn is not None else []
                return self.text(failed[-1].error) if failed else None

    def _value(self) -> str:
        match self.hand:
            case Reply(text=text) | Observation(text=text) | Answer(text=text):
                return text
            case Code(code=code):
                return code
            case Verdict(proposal=proposal):
                return self.text(proposal.text)
            case Failure(error=error):
                return error.message
            case LimitHit(name=name):
                return name
            case _:
                return self._prompt() or ""

    def _tokens(self) -> int:
        return self.run.totals.tokens

    def _cost(self) -> float:
        return self.run.totals.cost

    def _ms(self) -> float | None:
        turn, call = self.turn(), self.call()
        match self.point:
            case "reply" if turn is not None and turn.attempts:
                return turn.attempts[-1].ms
            case "return" if call is not None:
                return call.seconds * 1000
            case "observe" | "final" if turn is not None:
                return sum(block.ms for block in turn.blocks)
            case _:
                return None

    def _model(self) -> str | None:
        match self.hand:
            case Request(model=model) | Ask(model=model):
                return model
            case _:
                owner = self.call() or self.turn()
                return owner.attempts[-1].model if owner is not None and owner.attempts else None

    def _fn(self) -> str | None:
        call = self.call()
        return self.hand.fn if isinstance(self.hand, Ask) else None if call is None else call.fn

    def _n(self) -> int | None:
        call = self.call()
        if call is None:
            return 1 if isinstance(self.hand, Ask) else None
        return call.size or 1

    def _edited(self) -> bool:
        node, call = self.folded(), self.call()
        return (node is not None and node.tainted) or (call is not None and bool(call.row_mark))


@dataclass(slots=True)
class Rules:
    """The breakpoints of one run.

    Args:
        breakpoints: Where they are kept.
        run: The fold of the journal.
        text: Gives the whole of a text.
    """

    breakpoints: Breakpoints
    run: Run
    text: WholeText
    _version: int = -1
    _by_point: dict[Point, list[Entry]] = field(default_factory=dict[Point, "list[Entry]"])

    def __post_init__(self) -> None:
        self.breakpoints.run = self.run

    def meet(self, point: Point, id: str, node: str, value: GateValue) -> Met | None:
        """What the breakpoints make of a value; None when none fits.

        Args:
            point: Where.
            id: The value's address.
            node: The node that waits meanwhile.
            value: What passes.
        """
        if self._version != self.breakpoints.version:
            self._sort()
        entries = self._by_point.get(point)
        if not entries:
            return None
        scene = Scene(self.run, self.text, point, id, node, value)
        edits: list[Edit] = []
        reasons: list[str] = []
        for one in list(entries):
            # Those that come before may have changed it.
            scene.hand = value
            rule = one.rule
            assert rule is not None
            try:
                if not one.working or not self._fits(rule, scene) or not self.breakpoints.hit(one):
                    continue
                made = _act(rule, scene)
            except ExpressionError as error:
                self.breakpoints.fail(one, str(error))
                reasons.append(f"{rule.text} failed and is off now: {error}")
                edits.append(_edit(rule, scene, "note", f"failed and is off now: {error}"))
                continue
            if rule.act == "hold":
                reasons.append(rule.text)
            for edit in made:
                edits.append(edit)
                value = apply_edit(value, edit.field, edit.value)
                scene.forget()
        if not edits and not reasons:
            return None
        return Met(value, tuple(edits), " · ".join(reasons), bool(reasons))

    def _sort(self) -> None:
        self._version = self.breakpoints.version
        self._by_point = {}
        for one in self.breakpoints.active():
            assert one.rule is not None
            for point in one.rule.points:
                self._by_point.setdefault(point, []).append(one)

    @staticmethod
    def _fits(rule: Rule, scene: Scene) -> bool:
        scope, condition = rule.scope, rule.condition
        if scene.point not in rule.points:
            # Somebody changed it just now.
            return False
        if scope is not None and not scope.fits(scene.id, scene.node, scene.depth(), scene.label()):
            return False
        return condition is None or bool(condition.value(scene.look_up, scene.searched))


@dataclass(slots=True)
class UnattendedGates:
    """Gates that hold nothing, as nobody is there to let it go, and do what breakpoints do.

    Args:
        journal: Gets what they did.
        rules: The breakpoints.
    """

    journal: Journal
    rules: Rules | None = None

    async def pass_(self, point: Point, id: str, value: V, *, node: str) -> V:
        """Hand a value on, as the breakpoints made it. One whose condition fails is off from then on, with a note."""
        met = self.rules.meet(point, id, node, value) if self.rules is not None else None
        return value if met is None else written(met, value, self.journal)


def written(met: Met, value: V, journal: Journal) -> V:
    """What breakpoints made of a value; what they did is in the journal before that counts.

    Args:
        met: What they made of it.
        value: As it came to them.
        journal: Gets what they did.
    """
    for edit in met.edits:
        journal.append(edit)
    # A breakpoint never changes the kind of a value.
    return cast(V, met.value) if met.edits else value


def _act(rule: Rule, scene: Scene) -> list[Edit]:
    """What a breakpoint does, as the journal keeps it."""
    match rule.act:
        case "log":
            return [_edit(rule, scene, "note", _said(rule, scene)[:LOG_CAP])]
        case "answer":
            return [_edit(rule, scene, "answer", _said(rule, scene))]
        case "skip":
            return [_edit(rule, scene, "skip", {"say": False})]
        case "set":
            params = {name: value for name, value in rule.sets.items() if name != "model"}
            made = [_edit(rule, scene, "model", rule.sets["model"])] if "model" in rule.sets else []
            if params and isinstance(scene.hand, Request):
                made.append(_edit(rule, scene, "params", {**scene.hand.params, **params}))
            return made
        case "hold":
            return []


def _said(rule: Rule, scene: Scene) -> str:
    parts: list[str] = []
    for literal, expression in rule.says:
        parts.append(literal)
        if expression is not None:
            parts.append(str(expression.value(scene.look_up, scene.searched)))
    return "".join(parts)


def _edit(rule: Rule, scene: Scene, name: EditField, value: Any) -> Edit:
    was = None if name == "note" else current(scene.hand, name)
    return Edit(id=scene.id, field=name, value=value, was=was, by=f"rule:{rule.text}")

"""Generators: the same for a seed, what the scenario needs, and an oracle that a second road confirms."""

from __future__ import annotations

import re

import pytest

from rlm_tui.demo.catalogue import SCENARIOS
from rlm_tui.demo.draw import TRIES, Draw, first_fit
from rlm_tui.demo.lexicon import PHRASES

SEEDS = range(20)
MAKE = {name: one.make for name, one in SCENARIOS.items()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_seed_is_its_data_and_seeds_differ(name):
    made = [MAKE[name](seed) for seed in SEEDS]
    assert made == [MAKE[name](seed) for seed in SEEDS]
    assert len({str(data.context) for data in made}) == len(SEEDS)
    assert len({data.oracle for data in made}) > len(SEEDS) / 3


@pytest.mark.parametrize("seed", SEEDS)
def test_needle_oracle_from_the_text(seed):
    data = MAKE["needle"](seed)
    lines = data.context.split("\n")
    keys = [(n, line) for n, line in enumerate(lines) if "keyring" in line]
    assert len(lines) == 9_000 and 480_000 < len(data.context) < 600_000
    assert len(keys) == 3 and all(re.search(r"fp=[0-9a-f]{12}\b", line) for _, line in keys)
    assert [round(n / 9_000, 1) for n, _ in keys] == [pytest.approx(x, abs=0.11) for x in (0.25, 0.6, 0.86)]
    (live,) = [line for _, line in keys if "rotation" not in line]
    assert sum("rotation" in line for line in lines) == 2
    assert sum("fp=" in line for line in lines) == 3
    assert data.oracle == live.partition("fp=")[2].partition(" ")[0]
    assert len({line.partition("fp=")[2][:12] for _, line in keys}) == 3


@pytest.mark.parametrize("seed", SEEDS)
def test_aggregation_oracle_from_the_tickets(seed):
    data = MAKE["aggregation"](seed)
    lines = data.context.split("\n")
    assert len(lines) == 600 and 28_000 < len(data.context) < 38_000
    assert [line.split(" ")[0] for line in lines] == [f"#{n:04}" for n in range(600)]
    counts, at_350 = dict.fromkeys(PHRASES, 0), set()
    for n, line in enumerate(lines):
        (kind,) = [kind for kind, phrases in PHRASES.items() if any(phrase in line for phrase in phrases)]
        counts[kind] += 1
        at_350 |= {kind} if 350 <= n < 400 else set()
    first, second, *_ = sorted(counts, key=counts.__getitem__)
    assert data.oracle == f"{first}: {counts[first]}" and 0 < counts[first] < counts[second]
    assert first in at_350, "an answer that leaves the bad chunk out is wrong"
    assert not any(kind in data.context for kind in PHRASES), "the category itself is not in the data"


def test_no_phrase_of_the_lexicon_holds_another_or_a_category():
    phrases = [phrase for three in PHRASES.values() for phrase in three]
    assert len(PHRASES) == 6 and len(phrases) == 18
    for phrase in phrases:
        assert [other for other in phrases if phrase in other] == [phrase]
        assert not any(kind in phrase.lower() for kind in PHRASES)


class Notes:
    """The archive as a reader of the notes finds it, word by word."""

    def __init__(self, notes: list[str]) -> None:
        self.designer: dict[str, str] = {}
        self.station: dict[str, str] = {}
        self.logs: dict[str, dict[str, list[float]]] = {}
        self.maker: dict[str, str] = {}
        for note in notes:
            kind, *title = note[1 : note.index("]")].split("/")
            words = note[note.index("]") + 2 :].split(" ")
            if kind == "bridges":
                self.designer[" ".join(words[1:3])] = " ".join(words[6:8])
            elif kind == "people":
                self.station[" ".join(words[:2])] = " ".join(words[8 : words.index("and")])
            elif kind == "logs":
                self.logs.setdefault(title[0], {})[title[1]] = [float(word) for word in words]
            elif kind == "workshop":
                self.maker[title[0]] = " ".join(words[5:7])


@pytest.mark.parametrize("seed", SEEDS)
def test_multi_hop_oracle_from_the_notes(seed):
    data = MAKE["multi-hop"](seed)
    notes = Notes(data.context)
    bridge = data.question.removesuffix("?").split("designer of the ")[1]
    station = notes.station[notes.designer[bridge]].lower().replace(" ", "-")
    peaks = sorted((max(values), name) for name, values in notes.logs[station].items())
    assert notes.maker[peaks[-1][1]] == data.oracle


@pytest.mark.parametrize("seed", SEEDS)
def test_multi_hop_has_what_the_scenario_needs(seed):
    data = MAKE["multi-hop"](seed)
    notes = Notes(data.context)
    assert len(data.context) == 16
    assert [len(part) for part in (notes.designer, notes.station, notes.maker)] == [3, 3, 5]
    assert sorted(len(logs) for logs in notes.logs.values()) == [2, 3]
    logs = {name: values for part in notes.logs.values() for name, values in part.items()}
    assert all(len(values) == 60 for values in logs.values())
    best = max(logs, key=lambda name: max(logs[name]))
    assert len({max(values) for values in logs.values()}) == 5, "no two anemometers share a maximum"
    assert [name for name in logs if notes.maker[name] == data.oracle] == [best], "any other pick answers wrongly"
    homes = {name: station for station, part in notes.logs.items() for name in part}
    (shared,) = [m for m in set(notes.maker.values()) if list(notes.maker.values()).count(m) == 2]
    assert len({homes[name] for name, maker in notes.maker.items() if maker == shared}) == 2


def test_draws_use_random_alone_and_stay_in_their_bounds():
    draw = Draw(3)
    items = list(range(10))
    assert sorted(draw.shuffled(items)) == items and items == list(range(10))
    assert {draw.below(3) for _ in range(200)} == {0, 1, 2}
    assert all(2.0 <= draw.between(2.0, 3.0) <= 3.0 for _ in range(200))
    assert len(set(draw.some(items, 4))) == 4


def test_a_draw_that_fails_its_guard_is_drawn_again_and_not_for_ever():
    seen = []

    def third(draw: Draw) -> str | None:
        seen.append(draw.below(1_000_000))
        return "fits" if len(seen) == 3 else None

    assert first_fit(1, third) == "fits"
    assert len(set(seen)) == 3
    tries = []
    with pytest.raises(RuntimeError, match="seed 1"):
        first_fit(1, lambda draw: tries.append(1))
    assert len(tries) == TRIES == 50

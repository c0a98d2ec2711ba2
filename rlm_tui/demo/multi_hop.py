"""`multi-hop`: real children, three levels down, and a wrong hop that would look plausible."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rlm_tui.demo.draw import Draw, first_fit
from rlm_tui.demo.ladder import Rung, Script, Values, at_start, question_and_data, saw
from rlm_tui.demo.scenario import Data, Limits, Scenario
from rlm_tui.llm.scripted import Conversation, Seen

_BRIDGES = ("Harrow", "Tallow", "Quill", "Ember", "Saltmarsh", "Lantern", "Millrace", "Otter")
_STATIONS = ("Cold Fell", "Gannet Point", "High Moss", "Brant Ridge", "Sorrel Head", "Wether Law")
_FIRST = ("Ida", "Maren", "Tobias", "Edda", "Jonas", "Petra", "Silas", "Runa", "Casper", "Wilma", "Aldo", "Freya")
_LAST = ("Thorne", "Holt", "Varga", "Brandt", "Okafor", "Lind", "Marlow", "Sato", "Quist", "Reyes", "Dunne", "Falk")
_SEASONS = ("spring", "summer", "autumn", "winter")
_FLOATS = 60

_NAME = r"[A-Z][\w'-]*(?: [A-Z][\w'-]*)*"
_FACTS = (
    re.compile(rf"[Tt]he ({_NAME} Bridge) was designed by ({_NAME})"),
    re.compile(rf"({_NAME}) later founded the weather station at ({_NAME})"),
    re.compile(rf"[Aa]nemometer (g-\d+) was calibrated by ({_NAME})"),
)
_GUST_LOG = re.compile(r"\s*\[logs/[\w-]+/(g-\d+)\]((?: -?\d+(?:\.\d+)?)+)\s*")
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Archive:
    """The generator's records: what the notes are written from, and the oracle computed from."""

    bridge: str
    designers: dict[str, str]
    founded: dict[str, str]
    gusts: dict[str, dict[str, list[float]]]
    calibrators: dict[str, str]

    def station(self) -> str:
        """The station founded by the designer of the bridge in question."""
        return self.founded[self.designers[self.bridge]]

    def winner(self) -> str:
        """The anemometer with the strongest gust there."""
        logs = self.gusts[self.station()]
        return max(logs, key=lambda name: max(logs[name]))

    def oracle(self) -> str:
        """Who calibrated it."""
        return self.calibrators[self.winner()]


def make(seed: int) -> Data:
    """Draw 16 archive notes and a question that takes four hops through them.

    Args:
        seed: Any whole number.
    """
    archive, notes = first_fit(seed, _draw)
    question = (
        "Who calibrated the anemometer with the strongest gust at the station "
        f"founded by the designer of the {archive.bridge}?"
    )
    return Data(notes, question, Limits(max_depth=3), archive.oracle())


def _draw(draw: Draw) -> tuple[Archive, list[str]] | None:
    archive = _archive(draw)
    return (archive, draw.shuffled(_notes(archive, draw))) if _fits(archive) else None


def _archive(draw: Draw) -> Archive:
    firsts, lasts = draw.some(_FIRST, 7), draw.some(_LAST, 7)
    people = [f"{first} {last}" for first, last in zip(firsts, lasts, strict=True)]
    designers, makers = people[:3], people[3:]
    bridges = [f"{name} Bridge" for name in draw.some(_BRIDGES, 3)]
    here, there, elsewhere = draw.some(_STATIONS, 3)
    ids = sorted(f"g-{number}" for number in draw.some(range(101, 1_000), 5))
    mine = sorted(draw.some(ids, 3))
    others = [name for name in ids if name not in mine]

    gusts = {
        here: {name: _log(draw) for name in mine},
        there: {name: _log(draw) for name in others},
    }
    best = draw.one(mine)
    gusts[here][best][draw.below(_FLOATS)] = draw.between(26.0, 34.0)

    calibrators = dict(zip([*mine, others[0]], makers, strict=True))
    calibrators[others[1]] = calibrators[draw.one([name for name in mine if name != best])]
    return Archive(
        bridges[0],
        dict(zip(bridges, designers, strict=True)),
        dict(zip(designers, (here, there, elsewhere), strict=True)),
        gusts,
        calibrators,
    )


def _log(draw: Draw) -> list[float]:
    return [draw.between(2.0, 24.0) for _ in range(_FLOATS)]


def _fits(archive: Archive) -> bool:
    """Whether one gust is above all others everywhere, and whoever picks another anemometer answers wrongly."""
    best = archive.winner()
    peaks = sorted(max(values) for logs in archive.gusts.values() for values in logs.values())
    others = [name for name in archive.calibrators if name != best]
    return (
        max(archive.gusts[archive.station()][best]) == peaks[-1]
        and len(set(peaks)) == len(peaks)
        and all(archive.calibrators[name] != archive.calibrators[best] for name in others)
        and len(set(archive.calibrators.values())) == len(archive.calibrators) - 1
    )


def _notes(archive: Archive, draw: Draw) -> list[str]:
    notes = [
        f"[bridges/{_slug(bridge)}] The {bridge} was designed by {person} and opened in {1890 + draw.below(40)}."
        for bridge, person in archive.designers.items()
    ]
    notes += [
        f"[people/{_slug(person)}] {person} later founded the weather station at {station} and ran it "
        f"for {3 + draw.below(20)} years."
        for person, station in archive.founded.items()
    ]
    notes += [
        f"[logs/{_slug(station)}/{name}] " + " ".join(str(value) for value in values)
        for station, logs in archive.gusts.items()
        for name, values in logs.items()
    ]
    notes += [
        f"[workshop/{name}] Anemometer {name} was calibrated by {person} in the {draw.one(_SEASONS)}."
        for name, person in archive.calibrators.items()
    ]
    return notes


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def leaf(conversation: Conversation) -> str:
    """Make one hop: the fact about the first thing in the question that the data tells of, or a log's maximum."""
    question, data = question_and_data(conversation.prompt)
    if log := _GUST_LOG.fullmatch(data):
        return f"{log[1]} {max(float(value) for value in log[2].split())}"
    for shape in _FACTS:
        for subject, value in shape.findall(data):
            if re.search(rf"\b{re.escape(subject)}\b", question):
                return value
    return UNKNOWN


def _strongest(conversation: Conversation, seen: Seen) -> Values | None:
    """Fits when reports can be read. The strongest is taken from what was shown, so an edited observation counts."""
    reports = re.findall(r"^report: (g-\d+) (\d+(?:\.\d+)?)$", seen.output, re.MULTILINE)
    if seen.opening or not reports:
        return None
    name, gust = max(reports, key=lambda report: float(report[1]))
    return {"name": name, "gust": gust}


ROOT = (
    Rung(
        "look",
        at_start,
        (
            "First I look at what I was given: how many notes, and what they are called.",
            "I begin with the titles; they tell which notes I need.",
        ),
        code="""
print(type(context).__name__, "of", len(context), "notes")
for note in context:
    print(note.split("]")[0] + "]")
""",
        mark='print(note.split("]")[0] + "]")',
    ),
    Rung(
        "station",
        saw(r"\b\d+ notes$", opening=rf"designer of the (?P<bridge>{_NAME})\?"),
        (
            "Which station it is takes two hops, over the bridge notes and the people notes. "
            "I give those to a child and keep my own view small.",
            "The station comes first: bridge to designer, designer to station. A child can do that on six notes.",
        ),
        code=r"""
def titled(kind, name):
    title = f"[{kind}/" + name.strip().lower().replace(" ", "-")
    return [n for n in context if n.startswith((title + "/", title + "]"))]

bridge = $bridge
notes = [n for n in context if n.startswith(("[bridges/", "[people/"))]
station = rlm_query(
    f"Which station did the designer of the {bridge} found?\n---\n"
    + "\n".join(notes)
)
logs, people = titled("logs", station), titled("people", station)
print("station:", station)
print(len(logs), "logs,", len(people), "people")
""",
        mark='station = rlm_query(\n    f"Which station did the designer',
        reasoning="Bridge, designer, station, anemometer, calibrator: four hops. The first two need only the bridge "
        "and people notes; the gust logs are long and independent of each other.",
    ),
    Rung(
        "one more hop",
        saw(r"^station: (?P<person>[^\s`][^`\n]{0,60}?)\s*$", r"^0 logs, [1-9]\d* people$"),
        (
            "$person is a person, not a station: that was one hop only. The note on $person has the next.",
            "What came back is a name of a person. One more hop, from $person to a station.",
        ),
        code=r"""
person = $person
note = titled("people", person)[0]
station = rlm_query(f"Which station did {person} found?\n---\n{note}")
logs, people = titled("logs", station), titled("people", station)
print("station:", station)
print(len(logs), "logs,", len(people), "people")
""",
        mark='note = titled("people", person)[0]',
    ),
    Rung(
        "no station",
        saw(r"^0 logs, \d+ people$"),
        (
            "There are no gust logs for what came back, so I cannot go on from here.",
            "What came back is no station that I have logs of.",
        ),
        final="no answer: the station was not found",
    ),
    Rung(
        "logs",
        saw(r"^station: (?P<station>[^\s`][^`\n]{0,60}?)\s*$"),
        (
            "The station is $station. Each of its gust logs goes to a child of its own; they do not depend on each "
            "other, so I ask for all at once.",
            "So it is $station. I have every gust log of that station read in parallel.",
        ),
        code=r"""
station = $station
asks = []
for log in titled("logs", station):
    name = log.split("]")[0].split("/")[-1]
    asks.append(f"Report '<id> <max>' for gust log {name}.\n---\n{log}")
reports = rlm_query_batched(asks)
print(len(reports), "reports")
for report in reports:
    print("report:", report)
""",
        mark="reports = rlm_query_batched(asks)",
    ),
    Rung(
        "calibrator",
        _strongest,
        (
            "The strongest gust, $gust, was measured by $name. Its workshop note says who calibrated it.",
            "$name has the top with $gust. One question is left: who calibrated it.",
        ),
        code=r"""
best = $name
note = titled("workshop", best)[0]
who = llm_query(f"Who calibrated anemometer {best}?\n---\n{note}")
print("calibrated by:", who)
FINAL_VAR("who")
""",
        mark='note = titled("workshop", best)[0]',
    ),
    Rung(
        "no reports",
        saw(r"^\d+ reports$"),
        (
            "Not one report can be read, so I have nothing to compare.",
            "Without a single usable report there is no strongest gust.",
        ),
        final="no answer: no gust log was reported",
    ),
)

CHILDREN = (
    Rung(
        "designer",
        saw(rf"^question: Which station did the designer of the (?P<bridge>{_NAME}) found\?$"),
        (
            "Two hops. The first is the designer of the $bridge, and one note tells.",
            "I need the designer before I can know the station. The note on the $bridge is enough for that.",
        ),
        code=r"""
bridge = $bridge
about = [note for note in body.splitlines() if bridge in note]
designer = llm_query(
    f"Who designed the {bridge}?\n---\n" + "\n".join(about)
)
print("designer:", designer)
""",
        mark='f"Who designed the {bridge}?',
    ),
    Rung(
        "founder",
        saw(rf"^designer: (?P<designer>{_NAME})$"),
        (
            "It was $designer. What $designer founded is a question of its own, on one note.",
            "$designer, so now the second hop, from the designer to the station.",
        ),
        code=r"""
designer = $designer
about = [note for note in body.splitlines() if designer in note]
about = [note for note in about if note.startswith("[people/")]
station = rlm_query(
    f"Which station did {designer} found?\n---\n" + "\n".join(about)
)
FINAL_VAR("station")
""",
        mark='f"Which station did {designer} found?',
    ),
    Rung(
        "no designer",
        saw(r"^designer: "),
        (
            "The notes I have do not say who designed it, so the station stays open.",
            "Without the designer I cannot name a station.",
        ),
        final=UNKNOWN,
    ),
    Rung(
        "founded",
        saw(rf"^question: Which station did (?P<person>{_NAME}) found\?$"),
        (
            "One note and one fact to read from it. A plain call is enough.",
            "This is a single hop, so I just have the note read.",
        ),
        code=r"""
person = $person
station = llm_query(f"What did {person} found?\n---\n{body}")
FINAL_VAR("station")
""",
        mark='f"What did {person} found?',
    ),
    Rung(
        "gust log",
        saw(r"^question: Report '<id> <max>' for gust log "),
        (
            "The data is one gust log. I take the largest of its values in code.",
            "Numbers are for code, not for reading: I parse the log and take its maximum.",
        ),
        code="""
title, numbers = body.split("]")
values = [float(value) for value in numbers.split()]
top = max(values)
print(len(values), "values, max:", top)
result = title.split("/")[-1] + " " + str(top)
FINAL_VAR("result")
""",
        mark="values = [float(value) for value in numbers.split()]",
    ),
)

MULTI_HOP = Scenario(
    "multi-hop",
    "16 archive notes, four hops: children that ask children, three levels down",
    make,
    Script("Who calibrated the anemometer with the strongest gust", ROOT, CHILDREN, leaf),
)


def _shallow(seed: int) -> Data:
    return replace(make(seed), limits=Limits(max_depth=2))


SHALLOW = replace(
    MULTI_HOP,
    name="multi-hop+shallow",
    title="one level less than it takes: the child of a child answers as a leaf",
    make=_shallow,
)

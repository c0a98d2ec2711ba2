"""What a run is made of, from settings: loaded and built when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rlm_tui.checks import SCRIPTED, check_models
from rlm_tui.config import PROJECT_BREAKPOINTS, Settings
from rlm_tui.inputs import Context
from rlm_tui.usage import UsageError, printable

if TYPE_CHECKING:
    from pathlib import Path

    from rlm_tui.debugger.session import Session
    from rlm_tui.engine.again import Again
    from rlm_tui.engine.gate import Gates
    from rlm_tui.engine.options import Options
    from rlm_tui.engine.run import EngineRun
    from rlm_tui.journal.store import Journal
    from rlm_tui.llm.base import Models
    from rlm_tui.llm.pace import Pace


@dataclass(frozen=True, slots=True)
class Material:
    """What a run is about.

    Attributes:
        context: The value of ``context``.
        task: The question.
        model: The root's model.
        config: What else ``run.start`` keeps.
        scenario: Its name, when it is one.
        defaults: Settings it is meant to run with, where nobody set another.
    """

    context: Context
    task: str
    model: str
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    scenario: str | None = None
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])


class Making:
    """What a run is made of: loaded and built when it is asked for, not before the first frame is painted.

    Args:
        found: The settings.
        material: Makes what the run is about.
        pace: The scripted model's.
        system_prompt: What every node is taught; None for the dialect's own.
        breakpoints: Those given for this run.
        hold: Hold the root before its first request.
    """

    resumed = False

    def __init__(
        self,
        found: Settings,
        material: Callable[[], Material],
        pace: Pace,
        system_prompt: str | None,
        breakpoints: Sequence[str] = (),
        *,
        hold: bool = False,
    ) -> None:
        # What a run sets for itself, such as a scenario's limits, is no setting of the next one.
        self._found = replace(found, values=dict(found.values))
        self._material = material
        self.pace = pace
        self._system_prompt = system_prompt
        self._breakpoints = breakpoints
        self._hold = hold

    @cached_property
    def material(self) -> Material:
        """What the run is about."""
        made = self._material()
        for name, value in made.defaults.items():
            self._found.values.setdefault(name, value)
        return made

    @cached_property
    def journal(self) -> Journal:
        """The run's journal; it takes the first one asked for to make its directory."""
        from rlm_tui.journal.errors import JournalError
        from rlm_tui.journal.places import runs_dir
        from rlm_tui.journal.store import Journal

        try:
            return Journal.create(runs_dir(self._found.get("runs_dir")))
        except JournalError as error:
            raise UsageError(str(error)) from error

    @property
    def options(self) -> Options:
        """What it may do."""
        return options_of(self._found, self._system_prompt)

    def engine(self, gates: Gates | None = None) -> EngineRun:
        """The run over its gates."""
        from rlm_tui.engine.run import EngineRun

        one, options = self.material, self.options
        limit = options.max_timeout
        return EngineRun(
            self.journal, models(self._found, self.pace).get, context=one.context, task=one.task, model=one.model,
            options=options, gates=gates, time_limits={} if limit is None else {"max_timeout": limit},
            config=one.config,
        )  # fmt: skip

    def unattended(self) -> EngineRun:
        """The run without a screen: breakpoints that hold nothing do what they do."""
        if not self._breakpoints:
            return self.engine()
        from rlm_tui.debugger.breakpoints import Breakpoints
        from rlm_tui.debugger.rules import Rules, UnattendedGates

        gates = UnattendedGates(self.journal)
        engine = self.engine(gates)
        gates.rules = Rules(Breakpoints(None, self._breakpoints), engine.shared.run, self.journal.text)
        return engine

    def session(self) -> Session:
        """The run in the debugger."""
        from rlm_tui.debugger.breakpoints import Breakpoints
        from rlm_tui.debugger.session import Session

        scenario = self.material.scenario
        breakpoints = Breakpoints(PROJECT_BREAKPOINTS, self._breakpoints)
        pace = self.pace if scenario else None
        return Session(
            self.journal, self.engine, hold=self._hold, scenario=scenario, pace=pace, breakpoints=breakpoints,
            resumed=self.resumed,
        )  # fmt: skip


class GoingOn(Making):
    """What a run that was left is made of.

    Args:
        found: The settings; of the run's own, they say only what its REPLs may reach here and whom to ask.
        path: Its directory.
        pace: The scripted model's.
        breakpoints: Those given for this time.
    """

    resumed = True

    def __init__(self, found: Settings, path: Path, pace: Pace, breakpoints: Sequence[str] = ()) -> None:
        super().__init__(found, self._recorded, pace, None, breakpoints)
        self._path = path

    @cached_property
    def journal(self) -> Journal:
        """The run's journal, to be written on."""
        from rlm_tui.journal.errors import JournalError
        from rlm_tui.journal.store import Journal

        try:
            return Journal.open(self._path)
        except JournalError as error:
            raise UsageError(f"{error}; to look at it: rlm-tui open {self._path.name}") from error

    @cached_property
    def again(self) -> Again:
        """What its journal keeps of it."""
        from rlm_tui.engine.again import material
        from rlm_tui.journal.errors import JournalError
        from rlm_tui.journal.store import read

        try:
            # Only its first line: what the journal has loaded is for who folds it.
            return material(read(self._path), **reach(self._found))
        except JournalError as error:
            raise UsageError(f"{self._path.name}: {error}") from error

    def check(self) -> None:
        """Whether it can be gone on with here, as far as that is known without a request.

        Raises:
            UsageError: When its journal does not hold what it takes, when it asked a server that nobody names here, or
                when one of its models can't be asked.
        """
        again = self.again
        check_base(again.config, self._found)
        others = (again.options.sub_model, *again.options.depth_models.values())
        check_models([again.model, *others], self._found.get("api_base"))

    def _recorded(self) -> Material:
        again = self.again
        check_base(again.config, self._found)
        scenario = again.config.get("scenario")
        return Material(
            again.context, again.task, again.model, scenario=scenario if isinstance(scenario, str) else None
        )

    @property
    def options(self) -> Options:
        """What it may do."""
        return self.again.options


def check_base(recorded: Mapping[str, Any], found: Settings) -> None:
    """A journal may come from anywhere: whom it asked is asked again only when somebody says so here, and nobody else.

    Args:
        recorded: What a run's journal keeps of its configuration.
        found: The settings.

    Raises:
        UsageError: When it asked a server of its own, and the settings name none.
    """
    base = recorded.get("api_base")
    if base is not None and found.get("api_base") is None:
        raise UsageError(
            f"this run asked {printable(str(base), 100)}; a journal may come from anywhere, so say that it is to "
            f"be asked again: --api-base URL (or RLM_TUI_API_BASE)"
        )


def models(found: Settings, pace: Pace) -> Models:
    """From a model's name to the model."""
    from rlm_tui.llm.base import ChatModel, Models

    def real(name: str) -> ChatModel:
        from rlm_tui.llm.litellm import LiteLLMModel, Timeouts

        return LiteLLMModel(
            name, api_base=found.get("api_base"), timeouts=Timeouts(**patience(found)), prices=found.get("prices", {})
        )

    def scripted(name: str) -> ChatModel:
        from rlm_tui.demo.catalogue import model_for

        return model_for(name, pace)

    models = Models(real)
    models.register(SCRIPTED, scripted)
    return models


def patience(found: Settings) -> dict[str, float]:
    """How long a request may take, as far as that is set: the fields of `Timeouts`, in seconds."""
    names = {
        "connect": "connect_timeout", "read": "read_timeout", "between": "piece_timeout", "total": "request_timeout",
    }  # fmt: skip
    return {field: found.values[name] for field, name in names.items() if name in found.values}


def reach(found: Settings) -> dict[str, Any]:
    """The options that say what a run may do on this machine, see `again.OF_THE_MACHINE`."""
    return {
        "stream": not found.get("no_stream", False),
        "confine": found.get("confine", "auto"),
        "allow_site": found.get("allow_imports") == "site",
        "allow_network": found.get("allow_network", False),
    }


def options_of(found: Settings, system_prompt: str | None) -> Options:
    """The options of a new run."""
    from rlm_tui.engine.options import Options

    names = {"block_timeout": "block_timeout_s", "per_child_timeout": "per_child_timeout_s"}
    fields = (
        "max_depth", "max_iterations", "max_budget", "max_tokens", "max_timeout", "max_errors", "max_subcalls",
        "max_batch_workers", "sub_model", "depth_models", "block_timeout", "per_child_timeout",
    )  # fmt: skip
    given = {names.get(name, name): found.values[name] for name in fields if name in found.values}
    params = {"temperature": found.get("temperature"), "max_tokens": found.get("max_tokens_per_reply")}
    given |= reach(found)
    if system_prompt is not None:
        given["system_prompt"] = system_prompt
    return Options(params={name: value for name, value in params.items() if value is not None}, **given)

"""The debugger for Recursive Language Models.

Importing this package imports no room of it; each name below loads what it needs when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_tui.engine.backends import BackendLimits, DirectLMBackend, LocalChildRLMBackend
    from rlm_tui.engine.face import ChildTrace
    from rlm_tui.engine.prompts import RLM_SYSTEM_PROMPT, RLM_SYSTEM_PROMPT_QWEN
    from rlm_tui.engine.runner import LocalRLMRunner, RLMRunResult
    from rlm_tui.llm.base import Reply

_WHERE = {
    "BackendLimits": "rlm_tui.engine.backends",
    "ChildTrace": "rlm_tui.engine.face",
    "DirectLMBackend": "rlm_tui.engine.backends",
    "LocalChildRLMBackend": "rlm_tui.engine.backends",
    "LocalRLMRunner": "rlm_tui.engine.runner",
    "RLMRunResult": "rlm_tui.engine.runner",
    "RLM_SYSTEM_PROMPT": "rlm_tui.engine.prompts",
    "RLM_SYSTEM_PROMPT_QWEN": "rlm_tui.engine.prompts",
    "Reply": "rlm_tui.llm.base",
}

__all__ = [
    "RLM_SYSTEM_PROMPT",
    "RLM_SYSTEM_PROMPT_QWEN",
    "BackendLimits",
    "ChildTrace",
    "DirectLMBackend",
    "LocalChildRLMBackend",
    "LocalRLMRunner",
    "RLMRunResult",
    "Reply",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)

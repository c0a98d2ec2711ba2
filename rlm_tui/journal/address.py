"""Addresses: where in a run something is. A second pass over the same journal meets the same ones.

``root`` · ``root/i3`` · ``root/i3/b1`` · a call ``root/i3/b1~rlm:9f2c41d0#1`` (function, hash of the requested prompt
and model, k-th such request of that block) · ``root/default`` · ``root/i7/final`` · code of a person ``root/i3/b1+h1``
(``+h``: put in before a block; ``+e``: evaluated), another reply to the same request ``root/i3+s1``. A child's
address *is* its call's address.
"""

from __future__ import annotations

import hashlib
import re

ROOT = "root"

_LAST = re.compile(r"(/i\d+|/b\d+|/default|/final|~\w+:[0-9a-f]{8}#\d+|\+[hes]\d+)$")
_CALL = re.compile(r"~\w+:[0-9a-f]{8}#\d+$")
_SAMPLE = re.compile(r"\+s\d+$")
_CODE = re.compile(r"/b\d+(\+[he]\d+)?$|/(?:i\d+|default)\+e\d+$")
_NUMBER = re.compile(r"/[ib](\d+)$")


def iteration(node: str, k: int) -> str:
    """The address of a node's k-th iteration, from 1."""
    return f"{node}/i{k}"


def block(iteration_id: str, j: int) -> str:
    """The address of an iteration's j-th block, from 1."""
    return f"{iteration_id}/b{j}"


def call(block_id: str, kind: str, prompt: str, model: str | None, nth: int) -> str:
    """The address of a sub-call: by content and occurrence, so that threads cannot shuffle it.

    Args:
        block_id: The block that asked.
        kind: ``llm`` or ``rlm``, as asked for.
        prompt: The prompt as requested, before anyone changed it.
        model: The model as requested, None when the code named none.
        nth: The how-manieth such request of that block, from 1.
    """
    content = f"{model or ''}\0{prompt}".encode("utf-8", "surrogatepass")
    return f"{block_id}~{kind}:{hashlib.sha256(content).hexdigest()[:8]}#{nth}"


def inserted(block_id: str, k: int) -> str:
    """The address of the k-th piece of code that a person put in before a block, from 1."""
    return f"{block_id}+h{k}"


def sample(iteration_id: str, k: int) -> str:
    """The address of the k-th further reply to an iteration's request, from 1."""
    return f"{iteration_id}+s{k}"


def is_sample(id: str) -> bool:
    """Whether the address is a further reply's."""
    return _SAMPLE.search(id, _last_slash(id)) is not None


def parent(id: str) -> str:
    """The address one level up; of ``root``, itself."""
    found = _LAST.search(id, _last_slash(id))
    return id if found is None else id[: found.start()]


def is_node(id: str) -> bool:
    """Whether the address is a node's (the root's, or a call's, which may be a child)."""
    return id == ROOT or _CALL.search(id, _last_slash(id)) is not None


def node_of(id: str) -> str:
    """The address of the node that something happens in: of a node, itself; of a block, its node."""
    while not is_node(id) and (up := parent(id)) != id:
        id = up
    return id


def within(top: str, id: str) -> bool:
    """Whether something is of a node, or of anything below it."""
    return top in (ROOT, id) or id.startswith((f"{top}/", f"{top}~"))


def is_code(id: str) -> bool:
    """Whether the address is one of code: a block's, or that of a person's code beside one."""
    return _CODE.search(id, _last_slash(id)) is not None


def number(id: str) -> int:
    """The number of an iteration or a block, 0 for anything else."""
    found = _NUMBER.search(id, _last_slash(id))
    return int(found.group(1)) if found else 0


def _last_slash(id: str) -> int:
    """Where to begin looking: deep addresses are long, and what is asked about is at their end."""
    return max(0, id.rfind("/"))

"""Source code as a block runs it, and the frames of blocks. Runs in the worker."""

from __future__ import annotations

import ast
import linecache
import types
from contextlib import suppress
from typing import Any

Locals = Any
"""A frame's names: a dict, or whatever mapping a metaclass gave a class body."""


def remember_source(filename: str, code: str) -> None:
    """Give a block's source to `linecache`, so that tracebacks show the model's own lines."""
    linecache.cache[filename] = (len(code), None, [line + "\n" for line in code.split("\n")], filename)


def block_of(code: types.CodeType) -> str | None:
    """Return the block whose code this is, if any; without running any of the model's."""
    name = code.co_filename
    if type(name) is str and name.startswith("<block ") and name.endswith(">"):
        return name[7:-1]
    return None


def run_source(block: str, code: str, namespace: dict[str, Any], local: Locals = None) -> Any:
    """Run the code as that of `block`, and return what its last statement is if that is an expression, else None.

    Args:
        block: Named in tracebacks.
        code: Python source; all of it is parsed first, so a syntax error runs nothing.
        namespace: Its globals.
        local: The names of the frame it runs in, when that is not the module's.
    """
    filename = f"<block {block}>"
    remember_source(filename, code)
    tree: Any = compile(code, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    if local is not None and _has_scopes(compile(tree, filename, "exec", dont_inherit=True)):
        return _run_within(tree, filename, namespace, local)
    last: Any = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    body = compile(tree, filename, "exec", dont_inherit=True)
    tail = compile(ast.Expression(last.value), filename, "eval", dont_inherit=True) if last else None
    if tree.body:
        exec(body, namespace, local)
    return eval(tail, namespace, local) if tail else None


def _has_scopes(code: types.CodeType) -> bool:
    return any(type(constant) is types.CodeType for constant in code.co_consts)


def _run_within(tree: Any, filename: str, namespace: dict[str, Any], local: Locals) -> Any:
    """Run code with scopes of its own (a comprehension, a lambda) where it can see the names of a function's frame.

    They could not see what is only in a dict, so the code becomes a function inside one that has these names.
    """
    names = [name for name in local if type(name) is str and name.isidentifier()]
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        value = tree.body[-1]
        tree.body[-1] = ast.copy_location(ast.Return(value.value), value)
    sample: Any = ast.parse(
        "def outer():\n def inner():\n  nonlocal x\n  try: pass\n  finally: leave(locals())\n return inner\n"
    )
    outer = sample.body[0]
    inner = outer.body[0]
    outer.args.args = [ast.arg(name, lineno=1, col_offset=0) for name in [_LEAVE, *names]]
    declared, guarded = inner.body
    declared.names = names
    guarded.body = tree.body
    guarded.finalbody[0].value.func.id = _LEAVE
    inner.body = [declared, guarded] if names else [guarded]
    made: dict[str, Any] = {}
    exec(compile(sample, filename, "exec", dont_inherit=True), namespace, made)
    left: dict[str, Any] = {}
    try:
        return made["outer"](left.update, **{name: local[name] for name in names})()
    finally:
        left.pop(_LEAVE, None)
        local.update(left)
        with suppress(ValueError):  # a frame that stands may not be able to do without
            for name in set(names) - left.keys():
                del local[name]


_LEAVE = "__leave__"

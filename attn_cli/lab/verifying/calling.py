"""The function, called: options by name, inputs compared afterwards, exceptions as verdicts."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.errors import AttnError
from attn_cli.lab.verifying.answer import (
    CHANGED,
    DONE,
    NOT_ARRAYS,
    RAISED,
    UNSUPPORTED,
    Answer,
    Call,
    Signature,
)
from attn_cli.lab.verifying.libraries import Library

Function = Callable[..., Any]
LONGEST = 300  # characters of an exception's message
_BY_POSITION = ("q", "k", "v")


def signature(function: Function) -> Signature:
    """Return the options that a function takes by name.

    Raises AttnError if it cannot be called as f(q, k, v).
    """
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return Signature(names=(), note="its signature cannot be read, so it gets no options")
    try:
        found.bind(*_BY_POSITION)
    except TypeError as error:
        raise AttnError(
            f"the function is called as f(q, k, v, **options), and its signature is {found}: "
            f"{error}",
            help="write an adapter: a function adapter(function, q, k, v, **options) that calls it",
        ) from None
    parameters = list(found.parameters.values())
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return Signature(names=None)
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [each.name for each in parameters if each.kind in by_name]
    taken = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY][:3]
    return Signature(names=tuple(name for name in names if name not in taken))


def called(function: Function, call: Call, arrays: Library) -> Answer:
    """Call the function, and return its results or why there are none."""
    given = {name: arrays.make(array, call.dtype) for name, array in call.arrays.items()}
    before = {name: arrays.read(value) for name, value in given.items()}
    options: dict[str, Any] = {
        **{name: value for name, value in given.items() if name not in _BY_POSITION},
        **{n: tuple(v) if isinstance(v, list) else v for n, v in call.options.items()},
    }
    try:
        result = function(*(given[name] for name in _BY_POSITION), **options)
        results = _results(result, arrays, lse="return_lse" in options)
    except NotImplementedError as error:
        return Answer(verdict=UNSUPPORTED, text=_line(error))
    except _NotArraysError as error:
        return Answer(verdict=NOT_ARRAYS, text=str(error))
    except BaseException as error:
        return Answer(verdict=RAISED, text=_line(error), traceback=own_traceback(error))
    changed = [n for n, array in before.items() if not _same(array, arrays.read(given[n]))]
    if changed:
        return Answer(verdict=CHANGED, text=", ".join(changed))
    return Answer(verdict=DONE, results=results)


class _NotArraysError(Exception):
    """The function returned something else than arrays."""


def _results(result: Any, arrays: Library, *, lse: bool) -> dict[str, AnyArray]:
    parts = {"output": result}
    if lse:
        if not isinstance(result, tuple) or len(result) != 2:
            raise _NotArraysError(f"with return_lse it returns {_kind(result)}, not (output, lse)")
        parts = {"output": result[0], "lse": result[1]}
    elif isinstance(result, tuple) and len(result) == 2:
        parts = {"output": result[0]}  # (output, lse) is allowed without return_lse too
    found = {}
    for name, value in parts.items():
        if isinstance(value, tuple):  # NumPy would stack its arrays
            raise _NotArraysError(f"its {name} is {_kind(value)}")
        try:
            array = arrays.read(value)
        except (TypeError, ValueError) as error:
            raise _NotArraysError(f"its {name} is {_kind(value)}: {_line(error)}") from None
        if array.dtype.kind != "f":
            raise _NotArraysError(f"its {name} is {_kind(value)} of {array.dtype}")
        found[name] = array
    return found


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return "None" if value is None else f"{type(value).__module__}.{type(value).__qualname__}"


def _same(one: AnyArray, other: AnyArray) -> bool:
    floats = one.dtype.kind == "f" and other.dtype.kind == "f"
    return np.array_equal(one, other, equal_nan=floats)


def _line(error: BaseException) -> str:
    """Return an exception in one line: its type and what it says."""
    try:
        said = " ".join(str(error).split())
    except Exception:
        said = ""
    said = f"{said[:LONGEST]}..." if len(said) > LONGEST else said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def own_traceback(error: BaseException) -> str:
    """Return the traceback from the first frame that is not attn's or of importing."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = (__file__, sys.modules[Answer.__module__].__file__)
    start = next(
        (
            at
            for at, frame in enumerate(frames)
            if frame.filename not in ours
            and "attn_cli" not in frame.filename.replace("\\", "/").split("/")
            and "importlib" not in frame.filename
        ),
        len(frames),
    )
    lines = traceback.format_list(frames[start:])
    head = ["Traceback (most recent call last):\n"] if lines else []
    return "".join([*head, *lines, *traceback.format_exception_only(error)]).rstrip("\n")

"""Tests of functions that compute attention, for pytest and other test runners.

from attn_cli.testing import verify

def test_kernel() -> None:
    verify(mykernel.attention, like="torch")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attn_cli.lab.verifying.judging import TIMEOUT, Asking, check_type
from attn_cli.lab.verifying.judging import verify as judged
from attn_cli.lab.verifying.process import InChild, InProcess
from attn_cli.lab.verifying.verified import Verified
from attn_cli.views import Style
from attn_cli.views.verified.table import render

__all__ = ["Verified", "verify"]


def verify(
    function: Callable[..., Any] | str,
    *,
    like: str,
    arrays: str = "numpy",
    dtypes: Sequence[str] = (),
    adapter: Callable[..., Any] | str | None = None,
    timeout: float = TIMEOUT,
) -> Verified:
    """Return what a function does in every convention, as `attn verify` does.

    The function is called as f(q, k, v, **options), in this process and without a limit of time;
    given as "MODULE:FUNCTION" it is called in a process of its own, which is started again after a
    crash or a call of more than `timeout` seconds. The other arguments are the options of
    `attn verify`: `like` a preset, `arrays` numpy, torch or jax, `dtypes` of the arrays, `adapter`
    what is called as adapter(function, q, k, v, **options) in its place.

    Raises AssertionError, with the table, if a convention is wrong or none is supported, and
    AttnError for arguments that make no sense.
    """
    for dtype in dtypes:
        check_type(dtype)
    asking = Asking(like)
    if isinstance(function, str):
        named = adapter if isinstance(adapter, str) else ""
        if adapter is not None and not named:
            raise TypeError("the adapter of a function by name must be a name too")
        with InChild(function, arrays, named) as child:
            found = judged(child, asking, arrays=arrays, dtypes=dtypes, timeout=timeout)
    else:
        if isinstance(adapter, str):
            raise TypeError("the adapter of a function must be a function too")
        kernel = InProcess(function, arrays, adapter)
        found = judged(kernel, asking, arrays=arrays, dtypes=dtypes, timeout=timeout)
    if not found.agrees:
        raise AssertionError(f"\n{render(found, Style())}")
    return found

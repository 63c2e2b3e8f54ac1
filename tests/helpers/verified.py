"""What tests of `attn verify` share: expected results, and the processes that call functions."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from attn_cli.lab.verifying import child, judging, process, vectors
from attn_cli.lab.verifying.expected import Expected
from tests.helpers.forked import Fork


class _Call:
    """The arguments of an `Expected`; those with the same numbers are equal."""

    def __init__(self, like: str, arrays: Any, options: Any, more: Any) -> None:
        self.like, self.arrays, self.options, self.more = like, arrays, options, more
        numbers = {name: (x.dtype, x.shape, x.tobytes()) for name, x in arrays.items()}
        self._text = repr((like, numbers, options, more))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@cache
def _made(call: _Call) -> Expected:
    return Expected(call.like, call.arrays, call.options, **call.more)


class Once:
    """`Expected`, which is computed once for all tests that call with the same numbers."""

    of: Any = classmethod(Expected.of.__func__)  # type: ignore[attr-defined]

    def __new__(cls, like: str, arrays: Any, options: Any, **more: Any) -> Any:
        return _made(_Call(like, arrays, options, more))


def compute_once(patch: pytest.MonkeyPatch) -> None:
    for module in (judging, vectors):
        patch.setattr(module, "Expected", Once)


def fork_children(patch: pytest.MonkeyPatch) -> None:
    """Call functions in forks of the tests' own process, which start sooner than Python does."""

    def start(arguments: list[str], **options: Any) -> Fork:
        ends = re.search(r"main\((\d+), (\d+),", arguments[2])
        assert ends
        incoming, outgoing = map(int, ends.groups())
        return Fork(
            lambda: child.main(incoming, outgoing, *arguments[3:]),
            arguments,
            **options,
        )

    started = SimpleNamespace(**vars(subprocess))
    started.Popen = start
    patch.setattr(process, "subprocess", started)

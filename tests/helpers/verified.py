"""What tests of `attn verify` share: expected results, and the processes that call functions."""

from __future__ import annotations

import re
import subprocess
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from attn_cli.lab.verifying import child, judging, process, vectors
from attn_cli.lab.verifying.expected import Expected
from tests.helpers.forked import Fork


class Once:
    """`Expected`, which is computed once for all tests that call with the same numbers."""

    of: Any = classmethod(Expected.of.__func__)  # type: ignore[attr-defined]
    made: ClassVar[dict[str, Expected]] = {}

    def __new__(cls, like: str, arrays: Any, options: Any, **more: Any) -> Any:
        numbers = {name: (x.dtype, x.shape, x.tobytes()) for name, x in arrays.items()}
        key = repr((like, numbers, options, more))
        if key not in cls.made:
            cls.made[key] = Expected(like, arrays, options, **more)
        return cls.made[key]


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

"""Modules of packages that cannot be imported whole, with what is there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock


def alone(name: str) -> Any:
    """Import a module without running the packages that it lies in, as if theirs were empty."""
    *parents, _ = name.split(".")
    for at in range(len(parents)):
        package = ".".join(parents[: at + 1])
        if package not in sys.modules:
            within = getattr(sys.modules.get(".".join(parents[:at])), "__path__", None)
            spec = PathFinder.find_spec(package, within)
            assert spec is not None
            sys.modules[package] = ModuleType(package)
            sys.modules[package].__path__ = list(spec.submodule_search_locations or [])
    return import_module(name)


@contextmanager
def absent(*names: str) -> Iterator[None]:
    """Let modules be imported that import these, which are not there, and do without them."""
    stand_ins = {name: MagicMock() for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]

"""A registry: the names of objects of one kind, each loaded from its own module on first use.

The names are known without importing the modules, so that help texts are cheap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar

from attn_cli.errors import AttnError, Path, did_you_mean, printable

T = TypeVar("T")


class Registry(Generic[T]):
    """Name -> the object called `attribute` in the module that is registered for it."""

    def __init__(
        self,
        kind: str,
        attribute: str,
        modules: Mapping[str, str],
        *,
        default: str = "",
        meant: Mapping[str, str] | None = None,
        aliases: Mapping[str, tuple[str, str]] | None = None,
        listed: bool = False,
    ) -> None:
        self.kind = kind
        self.default = default  # the name used if none is given; empty if one must be given
        self._meant = (
            meant or {}
        )  # other names -> the names that they mean, for the advice of errors
        self._aliases = aliases or {}  # other names that are accepted -> the name, and a reason
        self._listed = listed  # whether the advice lists all names even if it has a likely one
        self._attribute = attribute
        self._modules = dict(modules)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order of the registry."""
        return tuple(self._modules)

    def module(self, name: str) -> str:
        """Return the module of a name that is registered."""
        return self._modules[name]

    def note(self, name: str) -> str:
        """Return what an accepted other name was read as, and why; empty for a name of its own."""
        meaning, why = self._meaning(name)
        return f"the {self.kind} '{printable(name)}' is read as {meaning}: {why}" if why else ""

    def _meaning(self, name: str) -> tuple[str, str]:
        """Return the name that another name stands for, and why; a name of its own as it is."""
        return self._aliases.get(name.lower().replace("-", "_"), (name, ""))

    def add(self, name: str, module: str) -> None:
        """Register a module, from outside this package, by a name."""
        self._modules[name] = module

    def remove(self, name: str) -> None:
        """Take a name out of the registry."""
        del self._modules[name]

    def __iter__(self) -> Iterator[T]:
        return (self.get(name) for name in self._modules)

    def get(self, name: str, *, path: Path = ()) -> T:
        """Return the entry; raise AttnError, with the likely name, if there is none."""
        name, _ = self._meaning(name)
        if name not in self._modules:
            raise AttnError(
                f"unknown {self.kind} '{name}'",
                path=path,
                help=did_you_mean(
                    name, self.names, what="there are", meant=self._meant, listed=self._listed
                ),
            )
        entry: T = getattr(import_module(self._modules[name]), self._attribute)
        return entry

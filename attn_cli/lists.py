"""Lists that commands show: all entries of one kind, or one of them in detail.

Views get a list and nothing else, as they get a record.
"""

from __future__ import annotations

from attn_cli.dataclass import dataclass
from attn_cli.formula import Formula


@dataclass(frozen=True, kw_only=True)
class StepInfo:
    """The properties of a step that do not depend on the problem."""

    name: str
    meaning: str
    expression: Formula  # in most problems
    axes: tuple[str, ...]  # without batch and head
    shape: tuple[str, ...]  # of these axes, as symbols
    role: str  # vector, score, weight, code or probability
    condition: str  # the condition under which a problem has it; empty: always
    reads: tuple[str, ...]  # the steps that it may be computed from
    read_by: tuple[str, ...]  # the steps that may be computed from it
    aliases: tuple[str, ...]  # its other names in use
    aside: bool  # in tables only if it is named

    @property
    def formula(self) -> str:
        """The formula in most problems, as text."""
        return str(self.expression)


@dataclass(frozen=True)
class Steps:
    """All steps that there can be, or one of them."""

    entries: tuple[StepInfo, ...]
    explained: bool = False  # whether it is one, with all that is known of it


@dataclass(frozen=True, kw_only=True)
class ParameterInfo:
    """A parameter of a function: `signature` is its name with its shape or kind."""

    name: str
    signature: str
    meaning: str
    optional: bool


@dataclass(frozen=True, kw_only=True)
class FunctionInfo:
    """A score function or a normaliser, as people know it."""

    name: str
    expression: Formula
    explanation: str
    reference: str
    parameters: tuple[ParameterInfo, ...]
    default: bool  # whether it holds if none is named
    written: str  # as a problem file has it: `score: dot`

    @property
    def formula(self) -> str:
        """The formula as text."""
        return str(self.expression)


@dataclass(frozen=True, kw_only=True)
class Functions:
    """All score functions, or all normalisers, or one of them."""

    command: str  # scores or normalizers
    key: str  # of a problem file, which names one
    entries: tuple[FunctionInfo, ...]
    explained: bool = False


@dataclass(frozen=True)
class Sample:
    """A sample problem: its name, its subject, and its file."""

    name: str
    summary: str
    text: str


@dataclass(frozen=True)
class Samples:
    """All sample problems."""

    entries: tuple[Sample, ...]

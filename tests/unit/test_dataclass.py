"""Our `@dataclass` does what that of the standard library does, class by class and call by call."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from attn_cli import dataclass as ours
from tests.helpers.processes import ROOT


def made(maker: Any, **how: bool) -> Any:
    """Return a class with a base class, made by one of the two."""

    @maker.dataclass(**how)
    class Base:
        kind: ClassVar[str] = "plain"
        first: int
        second: str = "b"

        @property
        def both(self) -> str:
            return f"{self.first}{self.second}"

    @maker.dataclass(**how)
    class Derived(Base):
        third: float = 3.0
        fourth: tuple[int, ...] = (4,)
        fifth: list[int] = maker.field(default_factory=list)

    return Derived


CALLS: list[Callable[[Any], object]] = [
    lambda cls: vars(cls(first=1)),
    lambda cls: list(vars(cls(fourth=(), first=1))),
    lambda cls: vars(cls(first=1, second="x", fifth=[5])),
    lambda cls: vars(cls(1)),
    lambda cls: vars(cls(1, "c", 2.5, (), [7])),
    lambda cls: cls(1, "c", third=0.5).both,
    lambda cls: repr(cls(first=1)),
    lambda cls: cls(first=1) == cls(first=1),
    lambda cls: cls(first=1) == cls(first=2),
    lambda cls: cls(first=1) != cls(first=1, fifth=[5]),
    lambda cls: cls(first=1) == 1,
    lambda cls: cls(first=1).fifth is cls(first=1).fifth,
    lambda cls: hash(cls(first=1, fifth=())),
    lambda cls: cls.kind,
    lambda cls: (cls.second, hasattr(cls, "first"), hasattr(cls, "fifth")),
    lambda cls: vars(dataclasses.replace(cls(first=1), second="z")),
    lambda cls: dataclasses.asdict(cls(first=1, fourth=(8,))),
    lambda cls: [(f.name, f.default, f.kw_only) for f in dataclasses.fields(cls)],
    dataclasses.is_dataclass,
    lambda cls: vars(copy.deepcopy(cls(first=1))),
    lambda cls: cls(second="x"),
    lambda cls: cls(first=1, sixth=6),
    lambda cls: cls(1, first=1),
    lambda cls: cls(1, "b", 3.0, (), [], 6),
    lambda cls: setattr(cls(first=1), "first", 2),
    lambda cls: setattr(cls(first=1), "sixth", 2),
    lambda cls: delattr(cls(first=1), "first"),
]


def outcome(call: Callable[[Any], object], cls: Any) -> object:
    """What a call gives: a value, or the type of what it raises."""
    try:
        return call(cls)
    except (TypeError, AttributeError) as error:
        return type(error)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "how", [{}, {"frozen": True}, {"kw_only": True}, {"frozen": True, "kw_only": True}]
)
def test_as_the_standard_library(call: Callable[[Any], object], how: dict[str, bool]) -> None:
    standard, own, again = made(dataclasses, **how), made(ours, **how), made(ours, **how)
    for number in range(ours._MANY):
        again(first=number)
    assert again.__init__ is not own.__init__
    assert outcome(call, own) == outcome(call, again) == outcome(call, standard)


@ours.dataclass(frozen=True)
class Finished:
    """A class whose instances are checked when they are made."""

    number: int

    def __post_init__(self) -> None:
        assert self.number > 0


@pytest.mark.parametrize("instances", [0, ours._MANY])
def test_what_is_made_is_finished_replaced_and_pickled(instances: int) -> None:
    for number in range(instances):
        Finished(number + 1)
    made = Finished(7)
    assert pickle.loads(pickle.dumps(made)) == made
    assert ours.replace(made, number=11) == Finished(11) != made
    with pytest.raises(AssertionError):
        ours.replace(made, number=-1)
    with pytest.raises(TypeError, match="other"):
        ours.replace(made, other=1)  # type: ignore[call-arg]


@ours.dataclass(kw_only=True)
class Ordered:
    """A class whose first field has a default, as JSON shows its fields in their order."""

    beside: int | None = None
    step: str
    heading: str
    others: int = 3


@pytest.mark.regression("the order of members in JSON changed with the number of instances")
@pytest.mark.parametrize("instances", [0, ours._MANY])
def test_fields_are_in_their_order_however_they_are_given(instances: int) -> None:
    for _ in range(instances):
        Ordered(step="", heading="")
    for made in (Ordered(heading="b", step="a"), Ordered(others=7, step="a", heading="b")):
        assert [*vars(made)] == ["beside", "step", "heading", "others"]


@ours.dataclass(frozen=True)
class Spoken:
    """A class with a line of its own, and a default that the standard library refuses."""

    number: int = 3
    none: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return "<Spoken>"


def test_a_line_of_its_own_and_defaults_that_can_change() -> None:
    assert repr(Spoken()) == "<Spoken>"
    assert dataclasses.replace(Spoken(), number=5) == Spoken(5)
    assert Spoken().none is Spoken(7).none


def test_no_class_of_the_program_is_compiled_at_start_up() -> None:
    standard = re.compile(r"^\s*from dataclasses import .*\b(dataclass|replace)\b", re.MULTILINE)
    found = {
        path.name for path in (ROOT / "attn_cli").rglob("*.py") if standard.search(path.read_text())
    }
    assert found == {"dataclass.py"}  # there for type checkers alone

"""`identify`: observed steps of a problem -> the classes of hypotheses that explain them."""

from __future__ import annotations

from collections.abc import Sequence

from attn_cli.lab.altered import Steps
from attn_cli.lab.identify import parts
from attn_cli.lab.identify.blind import blindness
from attn_cli.lab.identify.candidates import ITSELF, Candidate, candidates
from attn_cli.lab.identify.fitting import FAMILIES, Fit
from attn_cli.lab.identify.judging import Judge, size
from attn_cli.lab.identify.observed import Given, Observed, read_observed
from attn_cli.lab.identify.pairs import pairs
from attn_cli.lab.identify.pattern import patterns
from attn_cli.lab.identify.result import (
    Explanation,
    Hypothesis,
    Identified,
    Pattern,
    Read,
)
from attn_cli.lab.identify.search import IN_QUESTION, Group, Searched
from attn_cli.lab.identify.separating import advice, separating
from attn_cli.lab.noise import exactly
from attn_cli.lab.variants import Base
from attn_cli.maths.precision import Precision
from attn_cli.memory import keep_freed_memory

Looked = tuple[Candidate, Steps]
_MOST = 32  # pairs that are judged
_TRIED = 3  # hypotheses beyond the centre that are emulated themselves
_CLOSER = 0.9  # of the rest of what is believed: nothing explains it, but this is nearer


def identify(
    base: Base, given: Sequence[Given], *, open: bool = False, depth: int = 1
) -> Identified:
    """Return which hypotheses about a problem explain observed steps of it.

    `open`: nobody believes the problem itself, which is one hypothesis among others. `depth` 2:
    pairs of hypotheses are tried if no single one explains it. Raises
    AttnError for arrays that cannot be steps of the problem, and for inputs that the problem
    explains by any scores: each query sees a single key, or all values are equal.
    """
    keep_freed_memory()
    problem = exactly(base.problem)
    exact = Base(problem, base.document)
    observed = [read_observed(problem, each) for each in given]
    stated = _stated(base)
    searched = Searched(exact, observed, stated)
    found = candidates(exact, [each.step for each in observed])
    looked = [(c, v) for c in found if (v := searched.look(c)) is not None]
    searched.choose_layouts(values for _, values in looked)
    return _Asking(searched, looked, open=open, depth=depth).answer()


def _stated(base: Base) -> Precision | None:
    """Return the types that the problem says; None if it says none."""
    says = base.document is not None and "dtype" in base.document.tree
    return base.problem.precision if says else None


def _of_keys(group: Group) -> Hypothesis | None:
    """Return the first hypothesis of a group that changes of keys can say."""
    return next((each for each in group.hypotheses if each.changes), None)


class _Asking:
    """The groups of hypotheses, and the judges of those that are nearest."""

    def __init__(
        self, searched: Searched, looked: Sequence[Looked], *, open: bool, depth: int
    ) -> None:
        self._searched, self._looked, self._open = searched, list(looked), open
        self._depth = depth
        self._judges: dict[int, tuple[Judge, str]] = {}
        self._tried = sum(len(candidate.hypotheses) for candidate, _ in looked) - 1
        self._joined = 0
        self._blind: tuple[str, ...] = ()

    def _judge(self, candidate: Candidate) -> tuple[Judge, str]:
        if id(candidate.problem) not in self._judges:
            self._judges[id(candidate.problem)] = self._searched.judge(candidate)
        return self._judges[id(candidate.problem)]

    def answer(self) -> Identified:
        """Return the classes, and which of them explain the observed steps."""
        judge, _ = self._judge(self._looked[0][0])
        near, far = self._searched.in_question(self._looked, judge)
        met = {id(candidate) for candidate in (*near, *far)}
        itself = [c for c, _ in self._looked[:1] if id(c) not in met]
        groups = self._searched.groups([*itself, *near, *far], judge)
        explaining = self._explaining(groups, judge)
        if not explaining:
            groups = self._with(groups, self._fitted(groups, judge), judge)
            explaining = self._explaining(groups, judge)
        if not explaining and self._depth > 1:
            groups = self._with(groups, self._pairs(judge), judge)
            explaining = self._explaining(groups, judge)
        if any(group.believed for group in explaining):
            self._blind = blindness(self._searched, judge)
        return self._result(groups, explaining)

    def _pairs(self, judge: Judge) -> list[Candidate]:
        """Return the pairs of hypotheses that may explain the observed steps, or are nearest."""
        searched = self._searched
        nearest = [self._looked[at][0] for at in searched.ranked(self._looked, judge)]
        looked = [
            (each, values)
            for each in pairs(searched.base, nearest)
            if (values := searched.look(each)) is not None
        ]
        self._joined = len(looked)
        near, far = searched.in_question(looked, judge)
        return [*near[:_MOST], *far]

    def _with(
        self, groups: Sequence[Group], more: Sequence[Candidate], judge: Judge
    ) -> list[Group]:
        """Return the groups and those of further candidates, nearest first."""
        self._looked.extend((c, v) for c in more if (v := self._searched.look(c)) is not None)
        found = [*groups, *self._searched.groups(more, judge)]
        return sorted(found, key=lambda each: each.rest)

    def _fitted(self, groups: Sequence[Group], judge: Judge) -> list[Candidate]:
        """Return candidates with fitted numbers, from the problem and from the nearest others."""
        searched = self._searched
        fit = Fit(searched.base, searched.judged.of, judge, searched.heads)
        itself = next(g.rest for g in groups if g.believed)
        nearer = [g for g in groups if g.rest < _CLOSER * itself]
        starts = [h for g in nearer[:_TRIED] if (h := _of_keys(g)) is not None]
        for start in (ITSELF, *starts):
            found = [each for family in FAMILIES if (each := fit.of(family, start)) is not None]
            near = [candidate for candidate, rest in found if rest <= IN_QUESTION]
            if near:
                return near
        return []

    def _explaining(self, groups: Sequence[Group], judge: Judge) -> list[Group]:
        """Return the groups that explain the observed steps."""
        beyond = [g for g in groups if not g.believed and g.test.beyond and g.near]
        found = [g for g in beyond[:_TRIED] if self._judge(g.first)[0].explained]
        if not found:
            return [g for g in groups if g.believed and judge.explained]
        return self._kept(found)

    def _kept(self, found: Sequence[Group]) -> list[Group]:
        """Return the likeliest of the nearest groups, and those that noise does not reject either.

        Those that noise does not separate from the nearest one count as one: the first of the list
        of hypotheses is the likeliest.
        """
        nearest, _ = self._judge(found[0].first)
        same = [g for g in found if not nearest.test(nearest.off(g.values)).told]
        best = min([found[0], *same], key=lambda g: self._order(g.first))
        judge, _ = self._judge(best.first)
        others = [(g, judge.test(judge.off(g.values))) for g in found if g is not best]
        return [best, *(g for g, test in others if test.told and not test.rejected)]

    def _order(self, candidate: Candidate) -> int:
        return next(n for n, (each, _) in enumerate(self._looked) if each is candidate)

    def _result(self, groups: Sequence[Group], explaining: Sequence[Group]) -> Identified:
        first = explaining[0] if explaining else self._nearest(groups)
        judge, scores = self._judge(first.first)
        ranked = [*explaining, *(g for g in groups if g not in explaining)]
        others = [g for g in ranked if explaining and g not in explaining]
        untold = [g for g in others if not self._told(g, judge)]
        shown = [g for g in ranked if g not in untold or g.believed]
        searched = self._searched
        return Identified(
            observed=tuple(self._read(each, judge) for each in searched.observed),
            classes=tuple(self._explanation(g, judge, explains=g in explaining) for g in shown),
            untold=tuple(h for g in untold if not g.believed for h in g.hypotheses),
            tried=self._tried + self._joined,
            depth=self._depth,
            scores=scores,
            rows=judge.rows,
            off=judge.rows_off,
            sample=parts.said(searched.base.problem, searched.judged.part),
            pattern=() if explaining else self._pattern(judge),
            separate=self._separate(explaining, untold),
            open=self._open,
            warnings=(*searched.base.problem.warnings, *self._blind),
        )

    def _nearest(self, groups: Sequence[Group]) -> Group:
        """Return the nearest group: the problem itself, if it is about as near, or in most rows."""
        itself = next(g for g in groups if g.believed)
        judge, _ = self._judge(itself.first)
        near = itself.rest < groups[0].rest / _CLOSER or judge.rows_off < judge.rows / 2
        return itself if near else groups[0]

    def _pattern(self, judge: Judge) -> tuple[Pattern, ...]:
        """Return the regularities of what is off the nearest class."""
        searched = self._searched
        found: tuple[Pattern, ...] = ()
        for each in searched.observed:
            there = searched.there[each.step]
            found += patterns(judge, each.step, each.axes, there, searched.averaged(each))
        return found

    def _separate(self, explaining: Sequence[Group], untold: Sequence[Group]) -> tuple[str, ...]:
        """Return what would separate the classes that explain it, and those too near to them."""
        others = [*explaining[1:], *(g for g in untold if not g.believed)]
        if not explaining or not others:
            return ()
        searched = self._searched
        observed = {each.step for each in searched.observed}
        one, part = explaining[0].first.problem, searched.first_part
        found = [
            separating(searched.base, part, one, g.first.problem, observed) for g in others[:_TRIED]
        ]
        common = [step for step in found[0] if all(step in steps for steps in found)]
        return advice(common)

    def _told(self, group: Group, judge: Judge) -> bool:
        return judge.test(judge.off(group.values)).told

    def _explanation(self, group: Group, judge: Judge, *, explains: bool) -> Explanation:
        own = self._judge(group.first)[0] if explains else judge
        projected = None if group.believed else group.test
        return Explanation(
            hypotheses=group.hypotheses,
            believed=group.believed,
            rest=own.rest(None if explains else judge.off(group.values)),
            c=None if projected is None else projected.c,
            bar=None if projected is None else projected.bar,
            explains=explains,
            apart=size(judge.off(group.values)),
        )

    def _read(self, observed: Observed, judge: Judge) -> Read:
        stated = self._searched.stated
        return Read(
            step=observed.step,
            source=observed.source,
            shape=observed.shape,
            axes=observed.axes,
            sizes=observed.sizes,
            layout=self._searched.layouts[observed.step],
            layouts=tuple(observed.fitted),
            dtype=observed.dtype.name,
            stated="" if stated is None else stated.dtype.name,
            floor=judge.floors[observed.step],
        )

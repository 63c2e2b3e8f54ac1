"""Variants on a sample of rows and heads: bit for bit the numbers of the whole computation."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from attn_cli.dataclass import replace
from attn_cli.engine.run import run
from attn_cli.lab.altered import computed
from attn_cli.lab.variants import Base, Variant, hypotheses
from attn_cli.lab.variants.shared import Sample
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping

RNG = np.random.default_rng(18)


def base_of(**keys: Any) -> Base:
    document = from_mapping(keys)
    return Base(read_problem(document), document)


def heads(**keys: Any) -> Base:
    return base_of(
        query=RNG.normal(size=(2, 6, 5, 4)),
        key=RNG.normal(size=(2, 3, 7, 4)),
        value=RNG.normal(size=(2, 3, 7, 2)),
        **keys,
    )


BASES = {
    "plain": heads(causal="top-left", softcap=3, key_lengths=[7, 4]),
    "turned": heads(rope=True, causal="bottom-right", qk_norm="l2", alibi=True, dtype="bfloat16"),
    "joined": base_of(
        embeddings=RNG.normal(size=(5, 4)),
        weights={
            name: RNG.normal(size=(4, 4)) for name in ("query", "key", "value", "output")
        },
        heads=2, residual=True, layer_norm=True, window={"left": 1, "right": 0},
    ),
}  # fmt: skip


def meant(base: Base) -> Iterator[tuple[Variant, Problem]]:
    for variant in hypotheses(base):
        with np.errstate(all="ignore"):
            problem = variant.of(base)
        if problem is not None:
            yield variant, problem


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("rows", [None, (0, 3)])
def test_a_sample_has_the_numbers_of_the_whole(name: str, rows: tuple[int, ...] | None) -> None:
    base, steps = BASES[name], ("k", "scores", "lse", "output")
    sample, taken = Sample(base, steps, rows=rows), 0
    for variant, problem in meant(base):
        found = sample.of(problem)
        if found is None:
            continue
        taken += 1
        with np.errstate(all="ignore"):
            whole = run(problem, Request(steps=steps, rows=rows))
        for step in steps:
            expected = computed(problem, pipeline(problem)[step], whole.steps[step].values)
            np.testing.assert_array_equal(found[step], expected, f"{variant.name}: {step}")
    assert taken > 20


def test_only_the_heads_of_a_sample_are_computed() -> None:
    base = BASES["plain"]
    whole, some = Sample(base, ("output", "lse")).own, Sample(base, ("output", "lse"), heads=(1, 4))
    for step in whole:
        np.testing.assert_array_equal(some.own[step], whole[step][:, [1, 4]])


def test_heads_that_are_joined_are_all_computed() -> None:
    base = BASES["joined"]
    sample = Sample(base, ("output", "lse"), heads=(1,))
    np.testing.assert_array_equal(sample.own["output"], base.steps["output"])
    assert Sample(base, ("lse",), heads=(1,)).own["lse"].shape == (1, 5)


def test_a_variant_with_other_steps_is_left_out() -> None:
    base = heads(softcap=3)
    assert Sample(base, ("capped",)).of(heads().problem) is None
    assert Sample(base, ("scores",)).of(heads().problem) is not None


def test_products_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant of the scale asks for no new products; one of the keys does."""
    base, asked = heads(), []
    sample = Sample(base, ("output",))

    def prepared(*arguments: Any) -> Any:
        asked.append(arguments)
        return prepare(*arguments)

    prepare = base.problem.score.prepare
    monkeypatch.setitem(vars(base.problem.score), "prepare", prepared)
    other = replace(base.problem, scale=2.0)
    assert not np.allclose(sample.own["output"], sample.of(other)["output"])  # type: ignore[index]
    assert len(asked) == 12  # batch entries and heads
    assert base.problem.key is not None
    doubled = replace(base.problem, key=replace(base.problem.key))  # the same keys, another object
    assert sample.of(doubled) is not None
    assert len(asked) == 24

"""Variants on a sample of rows and heads: bit for bit the numbers of the whole computation."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.dataclass import replace
from attn_cli.engine.run import run
from attn_cli.lab.altered import computed
from attn_cli.lab.noise import in_types, kernel_types
from attn_cli.lab.variants import Base, Variant, hypotheses
from attn_cli.lab.variants.shared import Sample
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs

X = np.arange(9.0).reshape(3, 3)
RNG = np.random.default_rng(18)


def base_of(**keys: Any) -> Base:
    document = from_mapping(keys)
    return Base(read_problem(document), document)


def heads(batch: int = 2, **keys: Any) -> Base:
    return base_of(
        query=RNG.normal(size=(batch, 4, 5, 4)),
        key=RNG.normal(size=(batch, 2, 7, 4)),
        value=RNG.normal(size=(batch, 2, 7, 2)),
        **keys,
    )


BASES = {
    "plain": heads(causal="top-left", softcap=3, key_lengths=[7, 4]),
    "turned": heads(
        1, rope=True, causal="bottom-right", qk_norm="l2", alibi=True, dtype="bfloat16"
    ),
    "joined": base_of(
        embeddings=RNG.normal(size=(5, 4)),
        weights={
            name: RNG.normal(size=(4, 4)) for name in ("query", "key", "value", "output")
        },
        heads=2, residual=True, layer_norm=True, window={"left": 1, "right": 0},
    ),
}  # fmt: skip


@cache
def meant(name: str) -> list[tuple[Variant, Problem]]:
    base = BASES[name]
    with np.errstate(all="ignore"):
        varied = [(variant, variant.of(base)) for variant in hypotheses(base)]
    return [(variant, problem) for variant, problem in varied if problem is not None]


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("rows", [None, (0, 3)])
def test_a_sample_has_the_numbers_of_the_whole(name: str, rows: tuple[int, ...] | None) -> None:
    """One variant of four with all rows, another with some: the whole takes its time."""
    base, steps = BASES[name], ("k", "scores", "lse", "output")
    sample, taken = Sample(base, steps, rows=rows), 0
    for variant, problem in meant(name)[0 if rows is None else 2 :: 4]:
        found = sample.of(problem)
        if found is None:
            continue
        taken += 1
        with np.errstate(all="ignore"):
            whole = run(problem, Request(steps=steps, rows=rows))
        for step in steps:
            expected = computed(problem, pipeline(problem)[step], whole.steps[step].values)
            np.testing.assert_array_equal(found[step], expected, f"{variant.name}: {step}")
    assert taken > 10


def test_only_the_heads_of_a_sample_are_computed() -> None:
    base = BASES["plain"]
    whole, some = Sample(base, ("output", "lse")).own, Sample(base, ("output", "lse"), heads=(1, 3))
    for step in whole:
        np.testing.assert_array_equal(some.own[step], whole[step][:, [1, 3]])


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
    assert len(asked) == 8  # batch entries and heads
    key = base.problem.key
    assert key is not None
    again = replace(base.problem, key=replace(key, inputs=key.embedded))
    assert sample.of(again) is not None
    assert len(asked) == 8  # the same array
    again = replace(base.problem, key=replace(key, inputs=key.embedded.copy()))
    assert sample.of(again) is not None
    assert len(asked) == 16


def plain(**keys: Any) -> Base:
    sizes = {"query": (3, 4), "key": (5, 4), "value": (5, 2)}
    return base_of(**{name: RNG.normal(size=size) for name, size in sizes.items()}, **keys)


def test_scores_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of q and k that are known: a variant of the cap asks for no new ones."""
    base, asked = plain(softcap=3), []
    sample, prepare = Sample(base, ("output",)), base.problem.score.prepare

    def prepared(*arguments: Any) -> Any:
        score = prepare(*arguments)

        def block(*at: slice) -> Any:
            asked.append(at)
            return score(*at)

        return block

    monkeypatch.setitem(vars(base.problem.score), "prepare", prepared)
    for cap in (3, 2, 1):
        problem = base.read_with({"softcap": cap})
        assert problem is not None
        assert sample.of(problem) is not None
    assert len(asked) == 1


def test_other_types_have_their_own_queries_keys_and_values() -> None:
    base, steps = plain(), ("output",)
    narrow = in_types(base.problem, kernel_types("bfloat16"))
    sample = Sample(base, steps)
    for problem in (base.problem, narrow):
        found = sample.of(problem)
        assert found is not None
        np.testing.assert_array_equal(
            found["output"], run(problem, Request(steps=steps)).steps["output"].values
        )
    assert not np.array_equal(sample.own["output"], sample.of(narrow)["output"])  # type: ignore[index]


def test_rows_that_the_next_word_needs_are_not_those_of_the_sample() -> None:
    """The row before the next word, the last one, is computed for it."""
    base = plain(next_word={"vocabulary": ["a", "b"], "weights": [[1, 2], [0, 3]]})
    found = Sample(base, ("output", "logits"), rows=(0,)).own
    np.testing.assert_array_equal(found["output"], base.steps["output"][[0]])
    np.testing.assert_array_equal(found["logits"], base.steps["logits"])


def test_a_preset_shares_the_arrays_of_the_problem() -> None:
    base = Base.read(from_mapping({"query": X, "key": X, "value": X, "softcap": 2}))
    problem = base.read_with({"like": "torch", "softcap": 3, "scale": 2})
    assert problem is not None
    assert problem.key is not None
    assert problem.key.inputs is base.problem.key.inputs  # type: ignore[union-attr]


def test_files_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", X.astype(np.float32))
    (tmp_path / "problem.yaml").write_text(
        "query: x.npy\nkey: {file: x.npy}\nvalue: x.npy\nmask: x.npy\n"
    )
    document = read_document(str(tmp_path / "problem.yaml"), Inputs())
    base = Base.read(document)
    monkeypatch.setattr(Inputs, "open", None)
    problem = base.read_with({"scale": 2, "like": "jax"})
    assert problem is not None
    assert problem.value.inputs is base.problem.value.inputs

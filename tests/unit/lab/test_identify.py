"""Which convention made an output: kernels in 16 bits, written here with NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from attn_cli.arrays import Array
from attn_cli.errors import AttnError, ExitStatus
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.identify.asking import identify
from attn_cli.lab.identify.candidates import candidates
from attn_cli.lab.identify.observed import Given
from attn_cli.lab.identify.result import Identified
from attn_cli.lab.noise import narrowest
from attn_cli.lab.variants import Base, Variant, hypotheses
from attn_cli.sources.matrices.document import from_mapping

B, H, N, D = 1, 2, 41, 16


def rounded(x: Array, name: str) -> Array:
    """Return numbers rounded to a type, to nearest."""
    return FLOAT_TYPES[name].round(np.asarray(x, dtype=np.float64)).astype(np.float64)


def inputs(name: str = "bfloat16", *, n: int = N, heads: int = H) -> dict[str, Array]:
    """Return Q, K and V of a type, with unit variance."""
    rng, shape = np.random.default_rng(0), (B, heads, n, D)
    return {side: rounded(rng.standard_normal(shape), name) for side in ("query", "key", "value")}


def kernel(
    arrays: Mapping[str, Array],
    name: str = "bfloat16",
    *,
    scale: float = D**-0.5,
    causal: bool = False,
    cap: float = 0,
    sinks: Sequence[float] = (),
    slopes: Sequence[float] = (),
) -> tuple[Array, Array]:
    """Return output and lse of a kernel: sums in float32, weights rounded as they meet V."""
    q, k, v = (x.astype(np.float32) for x in arrays.values())
    s = (q @ k.swapaxes(-1, -2)) * np.float32(scale)
    if cap:
        s = np.float32(cap) * np.tanh(s / np.float32(cap))
    if slopes:
        at = np.arange(s.shape[-1])
        s = s - np.array(slopes)[:, None, None] * np.abs(at[:, None] - at)
    if causal:
        s = np.where(np.tri(*s.shape[-2:]) == 1, s, -np.inf)
    top = s.max(axis=-1, keepdims=True)
    e = np.exp(s - top)
    total = e.sum(axis=-1, keepdims=True)
    if sinks:
        total = total + np.exp(np.array(sinks)[:, None, None] - top)
    output = rounded(rounded(e, name).astype(np.float32) @ v / total, name)
    return output, (np.log(total) + top)[..., 0].astype(np.float64)


def asked(
    arrays: Mapping[str, Array], observed: Mapping[str, Array], *, depth: int = 1, **keys: Any
) -> Identified:
    document = from_mapping({**arrays, "score": "scaled", **keys})
    given = [Given(step, f"{step}.npy", values) for step, values in observed.items()]
    return identify(Base.read(document), given, depth=depth)


def ask_about_few(patch: pytest.MonkeyPatch, *names: str, fits: bool = False) -> None:
    """Try one in nine hypotheses and those of these names: the search is not the subject."""

    def some(base: Base) -> Iterator[Variant]:
        for at, variant in enumerate(hypotheses(base)):
            if at % 9 == 0 or variant.name in names:
                yield variant

    patch.setattr("attn_cli.lab.identify.candidates.hypotheses", some)
    if not fits:
        patch.setattr("attn_cli.lab.identify.asking.FAMILIES", ())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_about_few(monkeypatch)


with_few = pytest.mark.usefixtures("few")


@with_few
@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_what_is_believed_explains_the_output(name: str) -> None:
    arrays = inputs(name)
    output, _ = kernel(arrays, name, causal=True)
    found = asked(arrays, {"output": output}, causal=True)
    assert found.status == ExitStatus.DONE
    assert found.classes[0].believed
    assert found.off == 0
    assert found.observed[0].dtype == name
    assert found.classes[0].rest < 1


@pytest.mark.parametrize("name", ["bfloat16", "float32"])
def test_another_convention_is_found(name: str) -> None:
    arrays = inputs(name)
    output, lse = kernel(arrays, name)
    found = asked(arrays, {"output": output, "lse": lse}, causal=True)
    assert found.status == ExitStatus.NO
    (best,) = found.explaining
    assert "no-causal" in [each.name for each in best.hypotheses]
    assert best.c == pytest.approx(1, abs=0.01)
    assert found.separation is not None
    assert found.separation > 10
    (believed,) = (each for each in found.classes if each.believed)
    assert believed.rest > 10


FITTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "fitted-scale: 0.7": ({"scale": 0.7}, {"scale": 0.7}),
    "fitted-softcap": ({"cap": 1.7}, {"softcap": 1.7}),
    "fitted-sinks": (
        {"sinks": [2.0, -0.5]},
        {"normalize": {"function": "sink_logits", "logits": [2.0, -0.5]}},
    ),
    "fitted-slopes": ({"slopes": [0.3, 0.05]}, {"alibi": {"slopes": [0.3, 0.05]}}),
}


@pytest.mark.parametrize("name", FITTED)
def test_numbers_that_no_list_has_are_fitted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_about_few(monkeypatch, fits=True)
    options, keys = FITTED[name]
    arrays = inputs()
    found = asked(arrays, {"output": kernel(arrays, **options)[0]})
    assert found.status == ExitStatus.NO
    (best,) = found.explaining
    hypothesis = next(each for each in best.hypotheses if each.name.startswith(name))
    assert hypothesis.changes is not None
    assert numbers(hypothesis.changes) == pytest.approx(numbers(keys), abs=0.02)


def numbers(changes: Mapping[str, Any]) -> list[float]:
    """Return the numbers of changed keys, in order."""
    (value,) = changes.values()
    if isinstance(value, Mapping):
        value = value.get("logits") or value["slopes"]
    return value if isinstance(value, list) else [value]


def test_what_no_hypothesis_makes_is_explained_by_none() -> None:
    arrays = inputs()
    output, _ = kernel(arrays)
    found = asked(arrays, {"output": np.roll(output, 5, axis=-1)})
    assert found.status == ExitStatus.UNDECIDED
    assert not found.explaining
    assert found.off > 0.9 * found.rows


@with_few
def test_one_wrong_row_is_no_noise() -> None:
    arrays = inputs()
    output, _ = kernel(arrays)
    output[0, 1, 7] = output[0, 1, 8]
    found = asked(arrays, {"output": output})
    assert found.status == ExitStatus.UNDECIDED
    assert found.off == 1
    assert found.rows == B * H * N


@with_few
def test_layouts_are_tried() -> None:
    arrays = inputs(n=3, heads=3)  # as many queries as heads: two layouts fit
    output, _ = kernel(arrays, causal=True)
    for name, turned in (("bhsd", output), ("bshd", output.swapaxes(1, 2))):
        found = asked(arrays, {"output": turned}, causal=True)
        assert found.observed[0].layout == name
        assert set(found.observed[0].layouts) == {"bhsd", "bshd"}
        assert found.status == ExitStatus.DONE


def test_packed_sequences_of_different_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_about_few(monkeypatch, "no-documents")
    arrays, lengths = inputs(n=17), (5, 9, 3)
    ends = np.cumsum(lengths)
    parts = [
        kernel({name: x[:, :, end - n : end] for name, x in arrays.items()}, causal=True)[0]
        for n, end in zip(lengths, ends, strict=True)
    ]
    of = np.repeat(np.arange(3), lengths).tolist()
    keys: dict[str, Any] = {"causal": True, "documents": {"query": of, "key": of}}
    packed = np.concatenate(parts, axis=2)[0].swapaxes(0, 1)  # (tokens, heads, d)
    found = asked(arrays, {"output": packed}, **keys)
    assert (found.status, found.observed[0].layout) == (ExitStatus.DONE, "shd")
    joined = kernel(arrays, causal=True)[0][0].swapaxes(0, 1)
    found = asked(arrays, {"output": joined}, **keys)
    assert found.status == ExitStatus.NO
    assert "no-documents" in [each.name for each in found.explaining[0].hypotheses]


@with_few
def test_the_type_that_the_problem_says_holds() -> None:
    arrays = inputs()
    output, _ = kernel(arrays)
    found = asked(arrays, {"output": output}, dtype="float16")
    assert (found.observed[0].dtype, found.observed[0].stated) == ("bfloat16", "float16")


@with_few
def test_parts_of_the_arithmetic_have_the_types_that_the_problem_says() -> None:
    arrays = {name: x[:, :1, :7] for name, x in inputs("float32").items()}
    q, k, v = arrays.values()
    e = np.exp(q @ k.swapaxes(-1, -2) * D**-0.5)
    weights = rounded(e / e.sum(axis=-1, keepdims=True), "bfloat16")
    observed = {"output": rounded(weights @ v, "float32")}
    said: dict[str, Any] = {"dtype": "float32", "precision": {"weighted_sum": "bfloat16"}}
    assert asked(arrays, observed, **said).status == ExitStatus.DONE


@with_few
def test_scores_that_were_rounded_are_noticed() -> None:
    arrays = inputs()
    q, k, v = arrays.values()
    s = rounded(rounded(q @ k.swapaxes(-1, -2), "bfloat16") * D**-0.5, "bfloat16")
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    weights = rounded(e / e.sum(axis=-1, keepdims=True), "bfloat16")
    found = asked(arrays, {"output": rounded(weights @ v, "bfloat16")})
    assert (found.status, found.scores) == (ExitStatus.DONE, "bfloat16")
    output, _ = kernel(arrays)
    assert asked(arrays, {"output": output}).scores == "float32"


def test_the_narrowest_type_that_holds_all_numbers() -> None:
    assert narrowest(np.array([1.0, 3.140625, np.nan])).name == "bfloat16"
    assert narrowest(np.array([1.0, 1 + 2**-10])).name == "float16"
    assert narrowest(np.array([2.0**-100, 1 + 2**-20])).name == "float32"
    assert narrowest(np.array([0.1])).name == "float64"


@with_few
def test_inputs_that_cannot_tell_are_refused() -> None:
    one = {name: np.ones((1, 1, 1, 2)) for name in ("query", "key", "value")}
    with pytest.raises(AttnError, match="a single key has all the weight"):
        asked(one, {"output": np.ones((1, 1, 1, 2))})
    # before the softmax there is something to see
    assert asked(one, {"lse": np.array([[[np.sqrt(2)]]])}).status == ExitStatus.DONE


def base_of(**keys: Any) -> Base:
    return Base.read(from_mapping({**inputs(n=11, heads=1), "score": "scaled", **keys}))


def together(observed: Sequence[str], base: Base) -> set[str]:
    """Return the hypotheses that are one problem with the believed one, without computing it."""
    return {each.name for each in candidates(base, observed)[0].hypotheses}


def test_what_changes_no_observed_number_is_not_computed_again() -> None:
    plain, causal = base_of(), base_of(causal=True)
    assert {"hidden-is-1e9", "hidden-plus-10000"} <= together(["output"], causal)
    assert "hidden-plus-100" not in together(["output"], causal)  # e^-100 is a number
    assert "hidden-is-1e9" not in together(["output", "masked"], causal)
    # the second query sees no key: there a fill gives equal weights
    masked = {"mask": {"values": np.arange(11)[:, None] != 1, "true_means": "attend"}}
    masked["mask"]["values"] = np.broadcast_to(masked["mask"]["values"], (11, 11))
    assert "hidden-is-1e9" not in together(["output"], base_of(**masked))
    # scores as large as the fill
    assert "hidden-is-10000" not in together(["output"], base_of(causal=True, scale=1e4))
    assert "hidden-is-1e9" not in together(["output"], base_of(causal=True, scale=1e9))
    assert "lse-of-base-2" in together(["output"], plain)
    assert "lse-of-base-2" not in together(["output", "lse"], plain)


ONE_KEY: dict[str, dict[str, Any]] = {
    "one token": {"n": 1},
    "position 0 of causal order": {"n": N, "row": True, "causal": "top-left"},
    "a window of one key": {"n": N, "causal": True, "window": {"left": 0, "right": 0}},
    "a length of one key": {"n": N, "key_lengths": [1]},
}


@with_few
@pytest.mark.parametrize("name", ONE_KEY)
def test_one_key_that_each_query_sees_cannot_tell(name: str) -> None:
    keys = dict(ONE_KEY[name])
    arrays = inputs(n=keys.pop("n"))
    if keys.pop("row", False):
        arrays["query"] = arrays["query"][:, :, :1]
    v = arrays["value"]
    output = v if "window" in keys else np.broadcast_to(v[:, :, :1], arrays["query"].shape)
    with pytest.raises(AttnError, match="a single key has all the weight"):
        asked(arrays, {"output": output}, **keys)
    # With sinks the weight of the only key depends on its score.
    e = np.exp((arrays["query"] * arrays["key"][:, :, : v.shape[2]]).sum(-1) / np.sqrt(D))
    if name == "one token":
        found = asked(arrays, {"output": rounded(v * (e / (1 + e))[..., None], "bfloat16")},
                      normalize="softmax1")  # fmt: skip
        assert found.status == ExitStatus.DONE


def test_more_keys_than_the_problem_shows_are_seen() -> None:
    """The only row of top-left causal order sees key 0; the kernel aligns at the end."""
    arrays = inputs()
    output, _ = kernel(arrays)
    arrays["query"] = arrays["query"][:, :, -1:]
    found = asked(arrays, {"output": kernel(arrays)[0]}, causal="top-left")
    assert found.status == ExitStatus.NO
    names = [each.name for each in found.explaining[0].hypotheses]
    assert "causal: bottom-right" in names
    assert np.allclose(output[:, :, -1:], kernel(arrays)[0])


@with_few
def test_values_and_keys_that_are_equal() -> None:
    arrays = inputs()
    same = {**arrays, "value": np.broadcast_to(arrays["value"][:, :, :1], arrays["value"].shape)}
    with pytest.raises(AttnError, match="the values of all keys are equal"):
        asked(same, {"output": same["value"]})
    for side in ("query", "key"):
        zero = {**arrays, side: np.zeros_like(arrays[side])}
        found = asked(zero, {"output": kernel(zero, causal=True)[0]}, causal=True)
        assert found.status == ExitStatus.DONE  # which keys are seen shows in the mean of V
        assert "cannot tell scales, caps" in found.warnings[-1]


@pytest.mark.parametrize(
    ("step", "values", "message"),
    [
        ("output", np.zeros((B, H, N, D)), "0 throughout"),
        ("output", np.full((B, H, N, D), np.nan), "NaN throughout"),
        ("output", np.ones((B, H, N, D + 1)), "fits no layout of output"),
        ("outputs", np.ones((B, H, N, D)), "unknown step 'outputs'"),
        ("capped", np.ones((B, H, N, D)), "no numbers of a step 'capped'"),
        ("output", np.full((B, H, N, D), "x"), "holds no numbers"),
    ],
)
def test_arrays_that_cannot_be_the_step(step: str, values: Array, message: str) -> None:
    with pytest.raises(AttnError, match=message):
        asked(inputs(), {step: values})


def test_pairs_are_tried_if_no_single_hypothesis_explains_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of the four nearest with all others; the window and the lse are among the four."""
    monkeypatch.setattr("attn_cli.lab.identify.pairs.NEAREST", 4)
    arrays = inputs(n=17, heads=1)
    output, lse = kernel(arrays, causal=True)
    observed = {"output": output, "lse": lse / np.log(2)}
    keys: dict[str, Any] = {"window": {"left": 8}, "causal": True}
    assert asked(arrays, observed, **keys).status == ExitStatus.UNDECIDED
    found = asked(arrays, observed, depth=2, **keys)
    assert found.status == ExitStatus.NO
    names = [each.name for each in found.explaining[0].hypotheses]
    assert any("lse" in name and "window" in name for name in names), names


def off(change: Callable[[Array], None]) -> list[str]:
    """Return the pattern of an output in which something was changed."""
    arrays = inputs(n=48)
    output, _ = kernel(arrays)
    change(output)
    found = asked(arrays, {"output": rounded(output, "bfloat16")})
    assert found.status == ExitStatus.UNDECIDED
    return [each.sentence.removeprefix("output: ") for each in found.pattern]


@with_few
def test_patterns_of_rows() -> None:
    def tail(output: Array) -> None:
        output[:, 1, 40:] = output[:, 1, :8]

    def ends_of_tiles(output: Array) -> None:
        output[:, :, 14::16] += 3
        output[:, :, 15::16] += 3

    assert off(tail) == ["head 1 of 2", "queries 40 to 47 of 48"]
    found = off(ends_of_tiles)
    assert found[0] == "queries i with i mod 16 >= 14 of 48"
    assert found[-1] == "12 rows are outside the range of V: they are not averages of it"


@with_few
def test_patterns_of_numbers() -> None:
    def moved(output: Array) -> None:
        output[:, 1] = output[:, 0]

    def scaled(output: Array) -> None:
        output *= np.linspace(0.5, 1.25, output.shape[2])[:, None]

    def shifted(output: Array) -> None:
        output[..., 3:7] = np.roll(output[..., 3:7], 1, axis=2)

    def lost(output: Array) -> None:
        output[0, 0, :5] = 0
        output[0, 0, 5] = np.nan

    assert "head 1 has the numbers of head 0" in off(moved)
    (said,) = (each for each in off(scaled) if "expected one times a number" in each)
    found = [float(x) for x in re.findall(r"\d\.\d+", said)]
    assert found == pytest.approx([0.5, 1.25], abs=0.01)
    assert "dimensions 3 to 6 of 16" in off(shifted)
    found_of_lost = off(lost)
    assert found_of_lost[:2] == ["head 0 of 2", "queries 0 to 5 of 48"]
    assert {"5 rows are 0", "1 row has numbers that are not finite"} <= set(found_of_lost)


@with_few
def test_one_cell_is_named_in_the_singular() -> None:
    def one(output: Array) -> None:
        output[0, 1, 19, 3] = np.inf

    assert off(one) == [
        "head 1 of 2",
        "query 19 of 48",
        "1 row has numbers that are not finite",
        "dimension 3 of 16",
        "1 row is outside the range of V: it is not an average of it",
    ]


@with_few
@pytest.mark.parametrize("size", [1e120, 1e160, 1e300, np.inf])
def test_numbers_of_any_size_are_not_explained(size: float) -> None:
    arrays = inputs()
    output, _ = kernel(arrays)
    found = asked(arrays, {"output": np.clip(output * size, -1.7e308, 1.7e308)})
    assert found.status == ExitStatus.UNDECIDED
    assert found.off == B * H * N


@with_few
def test_values_whose_squares_are_larger_than_any_float64() -> None:
    arrays = inputs()
    arrays["value"] *= 1e200
    q, k, v = arrays.values()
    e = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(D))
    output = e @ v / e.sum(axis=-1, keepdims=True)
    assert asked(arrays, {"output": output}).status == ExitStatus.DONE
    assert asked(arrays, {"output": output * 1.01}).status == ExitStatus.UNDECIDED


@with_few
def test_a_batch_entry_without_a_visible_key() -> None:
    arrays = {side: np.concatenate([x, x]) for side, x in inputs().items()}
    output, _ = kernel(arrays)
    output[1] = 0
    found = asked(arrays, {"output": output}, key_lengths=[N, 0])
    assert found.status == ExitStatus.DONE
    assert asked(arrays, {"output": output + 1}, key_lengths=[N, 0]).status != ExitStatus.DONE

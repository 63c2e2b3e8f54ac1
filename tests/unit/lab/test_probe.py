"""The fixed probe: which variants it separates, and why it cannot separate the others."""

from typing import Any

import numpy as np
import pytest

from attn_cli.lab.variants import Base
from attn_cli.lab.variants.probe import EMPTY_ROW, LENGTHS, alike, probe
from attn_cli.sources.matrices.document import from_mapping


def numbers(count: int, step: int) -> Any:
    return (np.arange(count) * step % 11 - 5) / 8


GAINS = {"query_gain": 1 + numbers(8, 3), "key_gain": 1 + numbers(8, 5)}
FEATURES: dict[str, dict[str, Any]] = {
    "plain": {},
    "features": {
        "offset": 1, "window": {"left": 1, "right": 4}, "sink_tokens": 1, "softcap": 4.0,
        "scale": 0.25, "rope": {"dims": 4, "base": 5000}, "qk_norm": {"function": "rms", **GAINS},
        "score_bias": numbers(6 * 5 * 7, 7).reshape(6, 5, 7),
        "normalize": {"function": "sink_logits", "logits": numbers(6, 3)},
    },
}  # fmt: skip

# The first length is all keys, so that these are one formula.
ALL_KEYS = {
    "no-lengths", "lengths-of-first", "lengths-of-longest",
    *(f"lengths-to-page-of-{page}" for page in (16, 32, 64, 128)),
}  # fmt: skip
TOGETHER: dict[str, list[set[str]]] = {
    "plain": [
        ALL_KEYS,
        {"divided-by-d_k", "scaled-twice", "scale-padded-to-64"},  # 1/8, and d is 8
        {"divided-by-sqrt-d_model", "scale-of-all-heads"},  # H d_k is d_model
    ],
    "features": [
        ALL_KEYS,
        {  # a sink gives rows without a key 0 anyway; e^-100 is too little beside it
            "", "lse-of-no-key-is-inf", "hidden-is-10000", "hidden-is-50000", "hidden-is-1e9",
            "hidden-plus-100", "hidden-plus-10000", "hidden-plus-50000", "hidden-plus-1e9",
        },
        {"scale-1/d_k", "scale-padded-to-64"},
        {"rope-queries-one-further", "rope-offset-twice"},  # the offset is 1
        {"rope-keys-one-further", "rope-offset-lost"},
        {"aligned-top-left", "offset-one-less"},
        {  # entry 1 has one key, and sees it from there too
            "aligned-bottom-right", "aligned-to-the-length", "offset-twice", "offset-one-more",
        },
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FEATURES)
def test_all_are_separated_that_can_be(name: str) -> None:
    """Conventions and presets, which combine others, are left out."""
    base = Base.read(from_mapping({**probe(), **FEATURES[name]}))
    groups = [{n for n in group if ": " not in n} for group in alike(base, ("output", "lse"))]
    together = [group for group in groups if len(group) > 1]
    assert sorted(map(sorted, together)) == sorted(map(sorted, TOGETHER[name]))
    assert len(groups) > 50


def test_the_output_shows_the_weights() -> None:
    base = Base.read(from_mapping(probe()))
    weights, output, V = (base.steps[step] for step in ("weights", "output", "v"))
    primes = V.max(axis=-1)
    assert len(set(primes.ravel().tolist())) == primes.size
    for head in range(6):
        found = output[:, head, :, :7] / primes[:, head // 2, None, :]
        np.testing.assert_allclose(found, weights[:, head], rtol=1e-12, atol=1e-15)
    assert not weights[0, :, EMPTY_ROW].any()
    assert not weights[1, :, :, LENGTHS[1] :].any()


def test_the_probe_is_exact_in_16_bits() -> None:
    given = probe()
    for side in ("query", "key", "value"):
        bits = given[side].astype(np.float32).view(np.uint32)
        assert not (bits & 0xFFFF).any(), side
    with pytest.MonkeyPatch.context() as patch:  # it depends on no random numbers
        patch.setattr(np.random, "default_rng", None)
        np.testing.assert_array_equal(probe()["query"], given["query"])

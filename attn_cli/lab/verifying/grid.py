"""The grid: one row per case, in the order in which they are reported.

Sizes differ from axis to axis where a mix-up of axes would go unseen otherwise. Together the cases
part the answers of the knobs in `ASKED`, and the variants of `lab.variants` that they can have.
"""

from __future__ import annotations

from attn_cli.lab.verifying.case import LARGE, LOW, LOWER, RISING, Case

PLAIN = "scaled dot product"
_CAUSAL, _MORE, _FEWER = "causal", "causal, more keys than queries", "causal, fewer keys"
_MASK, _AXES = "mask: true means attend", "mask of two or three axes"
_HIDDEN, _EMPTY = "hidden keys get no weight", "queries that see no key"
_WINDOW, _ORDER, _LENGTHS = "window: left, right", "order of cap, bias and mask", "key_lengths"
_SINKS, _LSE = "sinks", "log-sum-exp"
_FROM_32 = ("float32", "bfloat16")  # float16 cannot hold these scores

CASES: tuple[Case, ...] = (
    Case(name="plain", convention=PLAIN, n_k=7),
    Case(name="one-query", convention=PLAIN, n_q=1, n_k=7),
    Case(name="one-key", convention=PLAIN, n_k=1),
    Case(name="odd-width", convention=PLAIN, n_k=7, d=24, d_v=24),
    Case(name="many-keys", convention=PLAIN, batch=1, n_q=3, n_k=131),
    Case(name="values-of-another-width", convention="values of another width", n_k=7, d_v=8),
    Case(name="large-scores", convention="large scores", n_k=7, made=LARGE),
    Case(name="scale", convention="scale", n_k=7, scale=0.375),
    Case(name="scale-of-1", convention="scale", n_k=7, scale=1.0),
    Case(name="grouped", convention="grouped heads", heads=6, kv_heads=3, n_k=7),
    Case(name="one-key-head", convention="grouped heads", heads=3, kv_heads=1, n_k=7),
    Case(name="causal", convention=_CAUSAL, n_q=7, n_k=7, causal=True),
    Case(name="causal-long", convention=_CAUSAL, batch=1, n_q=67, n_k=67, causal=True),
    Case(name="causal-more-keys", convention=_MORE, n_k=7, causal=True),
    Case(name="causal-one-query", convention=_MORE, n_q=1, n_k=7, causal=True),
    Case(name="causal-fewer-keys", convention=_FEWER, n_q=7, n_k=5, causal=True),
    Case(name="mask", convention=_MASK, n_k=7, mask="qk"),
    Case(name="mask-square", convention=_MASK, n_q=7, n_k=7, mask="qk"),
    Case(name="mask-of-keys", convention=_MASK, n_k=7, mask="bk"),
    Case(name="mask-of-heads", convention=_MASK, n_k=7, mask="hqk"),
    Case(name="mask-of-all", convention=_MASK, n_k=7, mask="bhqk"),
    Case(name="mask-causal", convention=_MASK, n_q=7, n_k=7, mask="bqk", causal=True),
    Case(name="mask-grouped", convention=_MASK, heads=6, kv_heads=3, n_k=7, mask="bhqk"),
    Case(name="mask-two-axes", convention=_AXES, n_q=2, n_k=7, mask="two"),
    Case(name="mask-three-axes", convention=_AXES, n_k=7, mask="three"),
    Case(name="low-scores", convention=_HIDDEN, n_k=7, mask="qk", made=LOW),
    Case(
        name="lower-scores", convention=_HIDDEN, n_k=7, mask="qk", made=LOWER, types=_FROM_32
    ),
    Case(
        name="rising-scores-causal",
        convention=_HIDDEN,
        n_q=7,
        n_k=7,
        causal=True,
        made=RISING,
        types=_FROM_32,
    ),
    Case(name="empty-row-mask", convention=_EMPTY, n_k=7, mask="qk", empty=2),
    Case(
        name="empty-row-causal",
        convention=_EMPTY,
        n_q=7,
        n_k=7,
        mask="bqk",
        empty=2,
        causal=True,
    ),
    Case(name="empty-row-lengths", convention=_EMPTY, n_k=7, key_lengths=(7, 0)),
    Case(name="empty-row-sinks", convention=_EMPTY, n_k=7, mask="qk", empty=2, sinks=True),
    Case(name="bias", convention="bias", n_k=7, bias="qk"),
    Case(name="bias-square", convention="bias", n_q=7, n_k=7, bias="hqk"),
    Case(name="bias-of-all", convention="bias", n_k=7, bias="bhqk"),
    Case(name="bias-mask", convention="bias", n_k=7, bias="hqk", mask="bqk"),
    Case(name="bias-causal", convention="bias", n_q=7, n_k=7, bias="hqk", causal=True),
    Case(name="window-left", convention=_WINDOW, n_q=7, n_k=7, window=(2, 0)),
    Case(name="window-both", convention=_WINDOW, n_q=7, n_k=7, window=(1, 2)),
    Case(name="window-none-left", convention=_WINDOW, n_q=7, n_k=7, window=(0, 2)),
    Case(name="window-causal", convention=_WINDOW, n_q=7, n_k=7, window=(2, 2), causal=True),
    Case(name="window-long", convention=_WINDOW, batch=1, n_q=67, n_k=67, window=(33, 0)),
    Case(name="window-more-keys", convention="window, more keys", n_k=11, window=(2, 1)),
    Case(
        name="window-causal-more-keys",
        convention="window, more keys",
        n_k=11,
        window=(3, 0),
        causal=True,
    ),
    Case(name="softcap", convention="softcap", n_k=7, softcap=1.5),
    Case(name="softcap-scale", convention="softcap", n_k=7, softcap=1.5, scale=0.375),
    Case(name="softcap-causal", convention=_ORDER, n_q=7, n_k=7, softcap=1.5, causal=True),
    Case(name="softcap-mask", convention=_ORDER, n_k=7, softcap=1.5, mask="qk"),
    Case(name="softcap-bias", convention=_ORDER, n_k=7, softcap=1.5, bias="hqk"),
    Case(name="lengths", convention=_LENGTHS, n_k=7, key_lengths=(7, 3)),
    Case(name="lengths-of-one", convention=_LENGTHS, n_k=7, key_lengths=(1, 5)),
    Case(
        name="lengths-grouped",
        convention=_LENGTHS,
        heads=6,
        kv_heads=3,
        n_k=7,
        key_lengths=(6, 2),
    ),
    Case(
        name="lengths-causal",
        convention="key_lengths and causal",
        n_q=7,
        n_k=7,
        key_lengths=(7, 4),
        causal=True,
    ),
    Case(
        name="lengths-causal-more-keys",
        convention="key_lengths and causal",
        n_k=11,
        key_lengths=(11, 8),
        causal=True,
    ),
    Case(name="sinks", convention=_SINKS, heads=3, kv_heads=3, n_k=7, sinks=True),
    Case(name="sinks-scale", convention=_SINKS, n_k=7, sinks=True, scale=0.375),
    Case(name="sinks-causal", convention=_SINKS, n_q=7, n_k=7, sinks=True, causal=True),
    Case(name="sinks-grouped", convention=_SINKS, heads=6, kv_heads=3, n_k=7, sinks=True),
    Case(
        name="sinks-window", convention=_SINKS, n_q=7, n_k=7, sinks=True, window=(2, 0), causal=True
    ),
    Case(name="lse", convention=_LSE, n_k=7, lse=True),
    Case(name="lse-causal", convention=_LSE, n_q=7, n_k=7, causal=True, lse=True),
    Case(name="lse-empty-row", convention=_LSE, n_k=7, mask="qk", empty=2, lse=True),
    Case(name="lse-softcap", convention=_LSE, n_k=7, softcap=1.5, lse=True),
    Case(name="lse-sinks", convention=_LSE, n_k=7, sinks=True, lse=True),
)  # fmt: skip

# Knob -> the cases that part its answers.
ASKED: dict[str, tuple[str, ...]] = {
    "mask.true_means": ("mask",),
    "mask.axes": ("mask-two-axes", "mask-three-axes"),
    "causal": (
        "causal-more-keys", "causal-fewer-keys", "lengths-causal", "lengths-causal-more-keys",
    ),
    "window": ("window-left", "window-both"),
    "order": ("softcap-mask", "softcap-bias"),
    "mask_fill": ("low-scores", "lower-scores", "empty-row-mask"),
    "empty_rows": ("empty-row-mask", "empty-row-causal", "empty-row-lengths"),
    "grouping": ("grouped",),
}  # fmt: skip

# Knob -> why no case asks it.
NOT_ASKED: dict[str, str] = {
    "axes": "the call has one order of axes",
    "scale_placement": "its answers differ by rounding alone",
    "precision.scale": "its answers differ by rounding alone",
    "precision.scaled": "its answers differ by rounding alone",
    "precision.scores": "its answers differ by rounding alone",
    "precision.softmax": "its answers differ by rounding alone",
    "precision.weighted_sum": "its answers differ by rounding alone",
    "positions.layout": "no option carries positions",
    "rope.interleaved": "no option carries a rotary embedding: q and k come in rotated",
    "past.rotated": "no option carries a cache",
    "alibi.slopes": "no option carries ALiBi: it comes in as a bias",
    "alibi.form": "no option carries ALiBi: it comes in as a bias",
}

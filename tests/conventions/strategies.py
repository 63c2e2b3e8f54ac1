"""Problems with any legal combination of the conventions at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.conventions.drawn_hiding import hiding
from tests.conventions.drawn_stages import afterwards, normalisers, stages
from tests.conventions.hidden import an_entry
from tests.conventions.sizes import Sizes, laid_out, maybe, sizes

HUGE = 1e30


def really_hidden(keys: dict[str, Any]) -> bool:
    """Whether what is hidden takes no part: the fill is -infinity, and no softcap follows it."""
    order = keys.get("order", ["softcap", "bias", "mask"])
    capped = "softcap" in keys and order.index("softcap") > order.index("mask")
    return keys.get("mask_fill", {}).get("value", -math.inf) == -math.inf and not capped


def spoil(values: Any, keys: dict[str, Any], z: Sizes) -> None:
    """Put a huge number into every new key, or value, that lies beyond its key length."""
    for b in range(z.batch):
        for j in range(an_entry(keys["key_lengths"], b), z.n_k):
            if j >= z.past:
                for rows in values[b]:
                    rows[j - z.past][j % len(rows[0])] = HUGE


def problem_of(z: Sizes, keys: dict[str, Any], spoilt: Sequence[str] = ()) -> dict[str, Any]:
    """Random Q, K and V of these sizes in the layout of the keys, with the keys."""
    arrays = {
        "query": z.normal(z.batch, z.heads, z.n_q, z.d_k),
        "key": z.normal(z.batch, z.kv_heads, z.new, z.d_k),
        "value": z.normal(z.batch, z.kv_heads, z.new, z.d_v),
    }
    for name in spoilt:
        spoil(arrays[name], keys, z)
    layout = keys.get("axes", "bhsd")
    problem = {name: laid_out(values, z.axes, layout) for name, values in arrays.items()}
    if z.has_heads and z.axes < 4:
        problem |= {"heads": z.heads, "kv_heads": z.kv_heads}
    return {**problem, **keys}


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """A problem as `attn_cli.compute` takes it."""
    z = draw(sizes())
    keys = draw(hiding(z))
    keys |= draw(stages(z, keys))
    keys |= draw(normalisers(z, keys.get("mask_fill", {}).get("value")))
    keys |= draw(afterwards(z))
    if z.axes == 4 and draw(st.booleans()):
        keys["axes"] = draw(st.sampled_from(["bhsd", "bshd"]))
    if z.heads != z.kv_heads and maybe(draw):
        keys["grouping"] = draw(st.sampled_from(["interleave", "tile"]))
    spoilt: Sequence[str] = ()
    if "key_lengths" in keys and really_hidden(keys) and maybe(draw, 2):
        spoilt = draw(st.sampled_from([("key",), ("value",), ("key", "value")]))
    problem = problem_of(z, keys, spoilt)
    if z.axes == 4 and maybe(draw, 5):
        problem["heads"] = z.heads
    if problem.get("kv_heads") == z.heads and draw(st.booleans()):
        del problem["kv_heads"]
    return problem

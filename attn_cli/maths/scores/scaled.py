"""The scaled dot product.

    score(q, k) = q.k / sqrt(d_k)

Q (n_q x d_k), K (n_k x d_k) -> (n_q x n_k). Vaswani et al. 2017 (arXiv 1706.03762), equation 1.
The products are multiplied by the scale after they are summed, as in PyTorch's documentation of
scaled_dot_product_attention; flash-attention's reference scales q before, ONNX both q and k by the
square root: the same number in exact arithmetic, another rounding in float16.
"""

from __future__ import annotations

from math import sqrt

from attn_cli.formula import Call, Dot
from attn_cli.maths.scores import dot
from attn_cli.maths.scores.base import D_K, KEY, PRODUCTS, QUERY, ScoreFunction


def default_scale(d_k: int) -> float:
    """Return 1/sqrt(d_k)."""
    return 1.0 / sqrt(d_k)


SCORE = ScoreFunction(
    name="scaled",
    formula=Dot(QUERY, KEY) / Call("sqrt", D_K),
    reference="Vaswani et al. 2017, arXiv 1706.03762, equation 1",
    explanation=(
        "The dot product, divided by sqrt(d_k) so that its size does not grow with the length of "
        "the vectors. `scale` replaces 1/sqrt(d_k)."
    ),
    prepare=dot.prepare,
    factor=dot.factor,
    expression=dot.expression,
    products=PRODUCTS,
    default_scale=default_scale,
    divisor=Call("sqrt", D_K),
    backward=dot.backward,  # dS is of the score before the scale
)

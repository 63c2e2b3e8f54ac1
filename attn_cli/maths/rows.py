"""The stages after the context, row by row: output gate, heads joined, projection, feed-forward.

The functions that they apply are in `maths.after` and `maths.gate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import Array
from attn_cli.formula import Call, Elementwise, Formula, Symbol, Words
from attn_cli.maths.after import FeedForward
from attn_cli.maths.inputs import embedded
from attn_cli.maths.stage import JOINED, OF_QUERIES, ROWS, VECTOR, Reads, Rows, Stage, define

if TYPE_CHECKING:
    from attn_cli.maths.problem import Problem


def _before_output(problem: Problem) -> str:
    """Return the step that goes into the output projection."""
    return "concat" if problem.joined else last_of_heads(problem)


def last_of_heads(problem: Problem) -> str:
    """Return the last step of each head."""
    return "context" if problem.gate is None else "gated"


def _before_norm(problem: Problem) -> str:
    return "residual" if problem.after.residual else "output"


def _before_network(problem: Problem) -> str:
    return _before_norm(problem) if problem.after.layer_norm is None else "layer_norm"


def last_of_rows(problem: Problem) -> str:
    """Return the last step of rows, from which the next-word head pools."""
    network = problem.after.feed_forward
    if network is None:
        return _before_network(problem)
    before = "residual_2" if network.residual else "feed_forward"
    return before if network.layer_norm is None else "layer_norm_2"


def _gated(problem: Problem) -> Reads | None:
    if problem.gate is None:
        return None
    given = problem.gate.logits is not None or problem.embeddings is None
    return ("context",) if given else ("context", embedded(problem))


def _residual(problem: Problem) -> Reads | None:
    return ("output", embedded(problem)) if problem.after.residual else None


def _layer_norm(problem: Problem) -> Reads | None:
    return None if problem.after.layer_norm is None else (_before_norm(problem),)


def _hidden(problem: Problem) -> Reads | None:
    return None if problem.after.feed_forward is None else (_before_network(problem),)


def _feed_forward(problem: Problem) -> Reads | None:
    return None if problem.after.feed_forward is None else ("hidden",)


def _residual_2(problem: Problem) -> Reads | None:
    network = problem.after.feed_forward
    there = network is not None and network.residual
    return (_before_network(problem), "feed_forward") if there else None


def _layer_norm_2(problem: Problem) -> Reads | None:
    network = problem.after.feed_forward
    if network is None or network.layer_norm is None:
        return None
    return ("residual_2" if network.residual else "feed_forward",)


def _inputs(problem: Problem) -> Formula:
    return Symbol("" if problem.query is None else problem.query.letter)


def _gated_formula(problem: Problem) -> Formula:
    assert problem.gate is not None  # this stage applies
    return define("gated", problem.gate.formula(_inputs(problem), problem.layout))


def _concat_formula(problem: Problem) -> Formula:
    what = "contexts" if problem.gate is None else "gated contexts"
    return define("concat", Words(f"the {what} of all heads, side by side"))


def _output_formula(problem: Problem) -> Formula:
    context = Symbol(_before_output(problem))
    return define("output", problem.after.output.formula(context, "W_o", "b_o", problem.layout))


def _layer_norm_formula(problem: Problem) -> Formula:
    norm = problem.after.layer_norm
    assert norm is not None  # this stage applies
    return define("layer_norm", norm.formula(Symbol(_before_norm(problem))))


def _usual_norm(name: str) -> Formula:
    centred = Symbol("gamma") @ (Symbol("x") - Symbol("mean"))
    spread = Call("sqrt", Symbol("var") + Symbol("eps"))
    return define(name, centred / spread + Symbol("beta"))


def _hidden_formula(problem: Problem) -> Formula:
    network, x = _network(problem), Symbol(_before_network(problem))
    inner = network.first.formula(x, "W1", "b1", problem.layout)
    name = network.activation.name
    return define("hidden", inner if name == "identity" else Call(name, inner))


def _feed_forward_formula(problem: Problem) -> Formula:
    second = _network(problem).second
    return define("feed_forward", second.formula(Symbol("hidden"), "W2", "b2", problem.layout))


def _residual_2_formula(problem: Problem) -> Formula:
    return define("residual_2", Symbol(_before_network(problem)) + Symbol("feed_forward"))


def _layer_norm_2_formula(problem: Problem) -> Formula:
    norm, (before,) = _network(problem).layer_norm, _layer_norm_2(problem) or ("feed_forward",)
    assert norm is not None  # this stage applies
    return define("layer_norm_2", norm.formula(Symbol(before)))


def gated(rows: Rows, context: Array, X: Array | None = None) -> Array:
    """Return the context of one head times its gate."""
    gate, wide = rows.problem.gate, rows.problem.precision.wide
    assert gate is not None  # this stage applies
    return gate(wide(context), None if X is None else wide(X), rows.batch, rows.head, rows.i)


def concat(_: Rows, *heads: Array) -> Array:
    """Return the contexts of all heads, side by side."""
    return np.concatenate(heads, axis=1)


def output(rows: Rows, context: Array) -> Array:
    """Return context W_o + b_o."""
    return rows.problem.after.output(rows.problem.precision.wide(context))


def residual(rows: Rows, x: Array, X: Array) -> Array:
    """Return X + x."""
    wide = rows.problem.precision.wide
    total: Array = wide(X) + wide(x)
    return total


def layer_norm(rows: Rows, x: Array) -> Array:
    """Return the layer norm of each row."""
    norm = rows.problem.after.layer_norm
    assert norm is not None  # this stage applies
    return norm(rows.problem.precision.norm.row.round(x))


def hidden(rows: Rows, x: Array) -> Array:
    """Return activation(x W1 + b1)."""
    network = _network(rows.problem)
    return network.activation.function(network.first(rows.problem.precision.wide(x)))


def feed_forward(rows: Rows, hidden: Array) -> Array:
    """Return hidden W2 + b2."""
    return _network(rows.problem).second(rows.problem.precision.wide(hidden))


def layer_norm_2(rows: Rows, x: Array) -> Array:
    """Return the layer norm of each row of the network."""
    norm = _network(rows.problem).layer_norm
    assert norm is not None  # this stage applies
    return norm(rows.problem.precision.norm.row.round(x))


def _network(problem: Problem) -> FeedForward:
    assert problem.after.feed_forward is not None  # this stage applies
    return problem.after.feed_forward


def _d_out(problem: Problem, _: object) -> int:
    return problem.after.output.depth(problem.d_context)


def _d_hidden(problem: Problem, _: object) -> int:
    return _network(problem).first.depth(_d_out(problem, _))


def _d_last(problem: Problem, _: object) -> int:
    return _network(problem).second.depth(_d_hidden(problem, _))


ROW_STAGES = (
    Stage(
        name="gated",
        meaning="the context times the output gate",
        usual=lambda: define(
            "gated",
            Elementwise(
                Symbol("context"), Call("sigmoid", Symbol("X") @ Symbol("W_g") + Symbol("b_g"))
            ),
        ),
        scope=ROWS,
        axes=OF_QUERIES,
        shape=("n_q", "d_v"),
        role=VECTOR,
        letter="g",
        reads=_gated,
        formula=_gated_formula,
        may_read=("context", "embeddings", "positioned"),
        depth=lambda problem, _: problem.value.depth,
        apply=gated,
        condition="output_gate is given",
    ),
    Stage(
        name="concat",
        meaning="the contexts of all heads, side by side",
        usual=lambda: define("concat", Words("the contexts of all heads, side by side")),
        scope=JOINED,
        axes=OF_QUERIES,
        shape=("n_q", "heads d_v"),
        role=VECTOR,
        letter="c",
        reads=lambda problem: (last_of_heads(problem),) if problem.joined else None,
        formula=_concat_formula,
        may_read=("context", "gated"),
        depth=lambda problem, _: problem.d_context,
        apply=concat,
        condition="heads are split from the features of Q, K and V",
    ),
    Stage(
        name="output",
        meaning="what attention gives: the context, projected",
        usual=lambda: define("output", Symbol("context") @ Symbol("W_o") + Symbol("b_o")),
        scope=JOINED,
        axes=OF_QUERIES,
        shape=("n_q", "d_out"),
        role=VECTOR,
        letter="o",
        reads=lambda problem: (_before_output(problem),),
        formula=_output_formula,
        may_read=("context", "gated", "concat"),
        depth=_d_out,
        apply=output,
        type=lambda precision: precision.output,
        aliases=("result", "out"),
    ),
    Stage(
        name="residual",
        meaning="the output added to the embeddings",
        usual=lambda: define("residual", Symbol("X") + Symbol("output")),
        scope=JOINED,
        axes=OF_QUERIES,
        shape=("n_q", "d_out"),
        role=VECTOR,
        letter="r",
        reads=_residual,
        formula=lambda problem: define("residual", _inputs(problem) + Symbol("output")),
        may_read=("output", "embeddings", "positioned"),
        depth=_d_out,
        apply=residual,
        condition="residual is true",
    ),
    Stage(
        name="layer_norm",
        meaning="layer norm of each row",
        usual=lambda: _usual_norm("layer_norm"),
        scope=JOINED,
        axes=OF_QUERIES,
        shape=("n_q", "d_out"),
        role=VECTOR,
        letter="n",
        reads=_layer_norm,
        formula=_layer_norm_formula,
        may_read=("output", "residual"),
        depth=_d_out,
        apply=layer_norm,
        condition="layer_norm is given",
    ),
    Stage(
        name="hidden",
        meaning="hidden layer of the feed-forward network",
        usual=lambda: define(
            "hidden", Call("activation", Symbol("x") @ Symbol("W1") + Symbol("b1"))
        ),
        scope=JOINED,
        axes=("query", "unit"),
        shape=("n_q", "d_hidden"),
        role=VECTOR,
        letter="h",
        reads=_hidden,
        formula=_hidden_formula,
        may_read=("output", "residual", "layer_norm"),
        depth=_d_hidden,
        apply=hidden,
        condition="feed_forward is given",
    ),
    Stage(
        name="feed_forward",
        meaning="output of the feed-forward network",
        usual=lambda: define("feed_forward", Symbol("hidden") @ Symbol("W2") + Symbol("b2")),
        scope=JOINED,
        axes=OF_QUERIES,
        shape=("n_q", "d_out"),
        role=VECTOR,
        letter="f",
        reads=_feed_forward,
        formula=_feed_forward_formula,
        may_read=("hidden",),
        depth=_d_last,
        apply=feed_forward,
        condition="feed_forward is given",
    ),
    Stage(
        name="residual_2",
        meaning="the network's output added to its input",
        usual=lambda: define("residual_2", Symbol("x") + Symbol("feed_forward")),
        scope=JOINED,
        axes=OF_QUERIES,
        shape=("n_q", "d_out"),
        role=VECTOR,
        letter="r",
        reads=_residual_2,
        formula=_residual_2_formula,
        may_read=("output", "residual", "layer_norm", "feed_forward"),
        depth=_d_last,
        apply=lambda rows, x, y: residual(rows, y, x),
        condition="feed_forward.residual is true",
    ),
    Stage(
        name="layer_norm_2",
        meaning="layer norm of each row after the network",
        usual=lambda: _usual_norm("layer_norm_2"),
        scope=JOINED,
        axes=OF_QUERIES,
        shape=("n_q", "d_out"),
        role=VECTOR,
        letter="n",
        reads=_layer_norm_2,
        formula=_layer_norm_2_formula,
        may_read=("feed_forward", "residual_2"),
        depth=_d_last,
        apply=layer_norm_2,
        condition="feed_forward.layer_norm is given",
    ),
)

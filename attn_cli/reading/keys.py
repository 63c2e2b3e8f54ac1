"""The keys of a problem file, as data.

Help, documentation, error messages, `attn train` and the `context` of a dictionary read them here.
A new key is one row; what its row leaves out is refused: `train` does not learn through it, and a
dictionary's context does not have it.
"""

from __future__ import annotations

# How the command line takes a key.
YAML = "yaml"  # --NAME VALUE is short for --set NAME=VALUE
OWN = "own"  # cli/options.py defines it
NO_OPTION = "none"  # its name means something else there, or it is too long to be typed

# Whether `attn train` accepts a problem that has the key.
NEVER = "never"
ALWAYS = "always"
UNLESS_LIST = "unless it is a list"


_NONE: dict[str, str] = {}


class Key:
    """One key of a problem file.

    `learnable`: whether the gradient of the loss is right if the problem has this key: because it
    is computed through it, or because the key has no numbers that it depends on. `alone`: its
    option without a value means true. `in_context`: a dictionary's `context` can have it.
    `uses_positions`: its meaning depends on where each query is among the keys. `inner`: the keys
    of its mapping with their meanings, if they do not depend on its values.

    No dataclass: every start makes all of them, and a dataclass takes four times as long.
    """

    __slots__ = (
        "alone", "group", "in_context", "inner", "learnable", "meaning", "name", "option",
        "uses_positions",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        group: str,
        meaning: str,
        *,
        option: str = YAML,
        alone: bool = False,
        learnable: str = NEVER,
        in_context: bool = False,
        uses_positions: bool = False,
        inner: dict[str, str] = _NONE,
    ) -> None:
        self.name, self.group, self.meaning = name, group, meaning
        self.option, self.alone = option, alone
        self.learnable, self.in_context = learnable, in_context
        self.uses_positions, self.inner = uses_positions, inner


WORDS = "Words and vectors"
QKV = "Q, K and V"
SCORES = "Scores"
HIDING = "Which keys a query sees"
WEIGHTS = "From scores to weights"
AFTER = "After attention"
TRAINING = "Training"
ARITHMETIC = "Conventions, layout and types"

NORM = {
    "gamma": "factors of the features (default: 1)",
    "beta": "added to the features (default: 0)",
    "eps": "added to the variance (default: 1e-5)",
}

# fmt: off
KEYS = {key.name: key for key in (
    Key("tokens", WORDS,
        "list of words, {file:}, or a string of words (of letters, digits, marks, _, ' and -)",
        option=OWN, learnable=ALWAYS),
    Key("key_tokens", WORDS, "the words of the keys, written like tokens", learnable=ALWAYS),
    Key("sequences", WORDS, "instead of tokens: several lists of words, each computed by itself",
        option=NO_OPTION, learnable=ALWAYS),
    Key("lower", WORDS, "true: convert tokens to lower case", option=OWN, learnable=ALWAYS),
    Key("embeddings", WORDS,
        "X, one row per token (n x d); or {word: vector, ...}; or {words: [...], vectors: matrix}",
        option=NO_OPTION, learnable=ALWAYS),
    Key("positions", WORDS,
        "position vectors added to X: sinusoidal, {function:, layout:, base:}, {learned: matrix}",
        learnable=ALWAYS, in_context=True, inner={
            "function": "sinusoidal",
            "layout": "interleaved (sin cos sin cos) or concatenated (all sines, then all cosines)",
            "base": "base of the wavelengths (default: 10000)",
            "learned": "a matrix with one row per position",
        }),
    Key("memory", WORDS, "{tokens:, embeddings:} of the keys and values (cross-attention)",
        option=NO_OPTION, learnable=ALWAYS, inner={
            "tokens": "the words of the keys and values",
            "embeddings": "their vectors, one row per token",
        }),
    Key("weights", QKV,
        "matrices d_in x d_out, used as X W: {query:, key:, value:, output:}; or one per head",
        learnable=ALWAYS, in_context=True, inner={
            "query": "W_q of Q = X W_q",
            "key": "W_k of K = X W_k; X is the memory if there is one",
            "value": "W_v of V = X W_v, likewise",
            "output": "W_o of output = context W_o",
        }),
    Key("biases", QKV, "vectors added to the products: {query:, key:, value:, output:}",
        learnable=ALWAYS, in_context=True, inner={
            "query": "b_q of Q = X W_q + b_q",
            "key": "b_k, likewise",
            "value": "b_v, likewise",
            "output": "b_o of output = context W_o + b_o",
        }),
    Key("query", QKV, "Q itself, 2 to 4 axes; [1, 0] is one query", option=OWN, learnable=ALWAYS),
    Key("key", QKV, "K itself, 2 to 4 axes", option=OWN, learnable=ALWAYS),
    Key("value", QKV, "V itself, 2 to 4 axes", option=OWN, learnable=ALWAYS),
    Key("axes", QKV, "order of four axes: bhsd (batch, heads, tokens, features) or bshd",
        learnable=ALWAYS),
    Key("heads", QKV, "number of heads that the features of Q, K and V are split into",
        learnable=ALWAYS, in_context=True),
    Key("kv_heads", QKV, "number of heads of K and V, each used by several query heads"),
    Key("grouping", QKV,
        "the K and V head of each query head: interleave (0 0 1 1), tile (0 1 0 1), or a list",
        learnable=UNLESS_LIST),
    Key("past", QKV,
        "cached K and V (batch, key heads, tokens, features): {key:, value:, rotated:}",
        inner={
            "key": "the cached keys",
            "value": "the cached values, as many as keys",
            "rotated": "with rope: true if the cached keys are rotated already",
        }),
    Key("qk_norm", QKV,
        "norm of each head's q and k: rms, l2 or {function:, eps:, query_gain:, key_gain:}",
        inner={
            "function": "rms (root of the mean square) or l2 (length 1)",
            "eps": "keeps the divisor from 0 (default: 1e-6 for rms, 1e-12 for l2)",
            "query_gain": "factors of the features of q (default: 1)",
            "key_gain": "factors of the features of k (default: 1)",
        }),
    Key("rope", QKV,
        "rotates q and k: true, or {base:, interleaved:, dims:, scaling:, positions:, sections:}",
        alone=True, uses_positions=True,
        inner={
            "base": "base of the frequencies (default: 10000)",
            "interleaved": "pairs: true (2m, 2m + 1), false (m, m + dims/2)",
            "dims": "number of features that are rotated (default: all)",
            "scaling": "change of the frequencies: {kind:, ...}",
            "positions": "positions for rope alone: {query:, key:}",
            "sections": "pairs for temporal, height and width positions",
            "sections_layout": "blocks (Qwen2-VL) or in-turn (Qwen3-VL)",
        }),
    Key("score", SCORES, "a score function (default: scaled), or {function: NAME, <parameters>}",
        option=OWN, learnable=ALWAYS, in_context=True),
    Key("scale", SCORES,
        "replaces 1/sqrt(d_k) in scaled, multiplies other scores; none = 1; or one per head",
        option=OWN, learnable=ALWAYS, in_context=True),
    Key("scale_placement", SCORES,
        "what the scale multiplies: scores, query, or split (its root: query and key)"),
    Key("softcap", SCORES, "the c in c tanh(s / c), which replaces each score s"),
    Key("score_bias", SCORES,
        "a matrix that is added to the scores, or {values:, axes:}; hides nothing",
        inner={
            "values": "the matrix",
            "file": "a file that has it, instead of values",
            "name": "its name in an archive",
            "transpose": "true: the file has it the other way round",
            "axes": "the names of its axes, such as [head, query, key]",
        }),
    Key("alibi", SCORES,
        "penalty for distance, per head: true, slopes, or {slopes:, form:, positions:}",
        alone=True, uses_positions=True, inner={
            "slopes": "one number per head, or how they are computed: paper or plain",
            "form": "distance (the default), signed, key, last_key, clamped: attn conventions",
            "positions": "positions for ALiBi alone: {query:, key:}",
        }),
    Key("relative_bias", SCORES,
        "T5's bias: {table: buckets x heads, bidirectional:, max_distance:, positions:}",
        uses_positions=True, inner={
            "table": "one row per bucket, one column per head",
            "bidirectional": "true (the default): half of the buckets are for later keys",
            "max_distance": "distances from this one on share a bucket (default: 128)",
            "positions": "positions for the buckets alone: {query:, key:}",
        }),
    Key("order", SCORES, "order in which softcap, bias and mask are applied, as a list",
        learnable=ALWAYS),
    Key("causal", HIDING, "hides later keys: true, top-left or bottom-right",
        option=OWN, alone=True, learnable=ALWAYS, in_context=True, uses_positions=True),
    Key("offset", HIDING,
        "query i is at the position of key i + offset; a number, or one per batch entry",
        learnable=ALWAYS),
    Key("window", HIDING,
        "keys near a query: {left:, right:} inclusive, -1 unbounded; {keys: W}; or one per head",
        learnable=ALWAYS, uses_positions=True, inner={
            "left": "number of keys before the query that it sees; -1: all",
            "right": "number of keys after the query that it sees; -1: all",
            "keys": "number of keys up to the query and with it, instead of left and right",
        }),
    Key("key_lengths", HIDING,
        "number of keys that are used (padding is on the right), one per batch entry",
        learnable=ALWAYS),
    Key("key_start", HIDING,
        "first key that is used (padding is on the left), one per batch entry", learnable=ALWAYS),
    Key("documents", HIDING,
        "packed sequences: ids, {query:, key:}, or {cu_seqlens_q:, cu_seqlens_k:}",
        learnable=ALWAYS, inner={
            "query": "the document of each query",
            "key": "the document of each key",
            "cu_seqlens_q": "cumulative lengths of the queries, from 0",
            "cu_seqlens_k": "cumulative lengths of the keys, from 0",
            "alignment": "top-left or bottom-right, if numbers of queries and keys differ",
        }),
    Key("prefix", HIDING,
        "number of first keys that all queries see, even if causal or window hide them",
        learnable=ALWAYS),
    Key("sink_tokens", HIDING, "number of first keys that the left bound of window does not hide",
        learnable=ALWAYS),
    Key("mask", HIDING,
        "a matrix added to the scores; {values: or file:, true_means: attend | ignore, axes:}",
        learnable=ALWAYS, in_context=True, inner={
            "values": "the matrix",
            "file": "a file that has it, instead of values",
            "name": "its name in an archive",
            "transpose": "true: the file has it the other way round",
            "axes": "the names of its axes, such as [batch, query, key]",
            "true_means": "attend or ignore, of a mask of booleans",
        }),
    Key("mask_fill", HIDING,
        "the score of a hidden key: {value: -inf, number or lowest, how: select | add}",
        inner={
            "value": "a number below 0, -inf, or lowest: the lowest number of the type",
            "how": "select: replaces the score; add: is added to it",
        }),
    Key("top_k", WEIGHTS,
        "how many of the largest scores of each row are kept, and all that are equal to them"),
    Key("temperature", WEIGHTS, "divides the scores before they are normalised; or one per head"),
    Key("normalize", WEIGHTS, "a normaliser (default: softmax), or {function: NAME, <parameters>}",
        option=OWN, learnable=ALWAYS, in_context=True),
    Key("empty_rows", WEIGHTS,
        "weights of a query that sees no key: zero, nan, uniform, or {mask:, other:}",
        inner={
            "mask": "for queries from which the mask alone hides every key",
            "other": "for all other queries that see no key",
        }),
    Key("dropout", WEIGHTS,
        "a given mask, nothing is random: {mask: 1 for each weight that is kept, p:}",
        inner={
            "mask": "1 for a weight that is kept, 0 for one that is dropped",
            "p": "kept weights are divided by 1 - p (default: 0)",
            "axes": "the names of the axes of the mask",
        }),
    Key("output_gate", AFTER,
        "sigmoid gate on the context: {weights:, bias:} applied to X, or {logits:}",
        inner={
            "weights": "W of sigmoid(X W + b)",
            "bias": "b of sigmoid(X W + b)",
            "logits": "the arguments of the sigmoid, instead of weights",
        }),
    Key("residual", AFTER, "true: add X to the output", learnable=ALWAYS, in_context=True),
    Key("layer_norm", AFTER,
        "layer norm of the output, after residual: true, or {gamma:, beta:, eps:}",
        learnable=ALWAYS, in_context=True, inner=NORM),
    Key("feed_forward", AFTER,
        "after layer_norm: {W1:, b1:, W2:, b2:, activation:, residual:, layer_norm:}",
        option=NO_OPTION, learnable=ALWAYS, in_context=True,
        inner={
            "W1": "d_out x d_ff, in hidden = activation(x W1 + b1)",
            "b1": "as many numbers as d_ff",
            "W2": "d_ff x d_last, in feed_forward = hidden W2 + b2",
            "b2": "as many numbers as d_last",
            "activation": "relu (the default), gelu, gelu_tanh, tanh or identity",
            "residual": "true: add x",
            "layer_norm": "layer norm after that: true, or {gamma:, beta:, eps:}",
        }),
    Key("next_word", AFTER,
        "predicts a word: {vocabulary:, weights:, bias:, pool: mean, last or {token: WORD}}",
        option=NO_OPTION, learnable=ALWAYS, inner={
            "vocabulary": "list of words, each once",
            "weights": "W of logits = pooled W + b, one column per word",
            "bias": "b, one number per word",
            "pool": "mean of the rows (the default), last row, or {token: WORD}",
            "end": "word of the vocabulary that ends a text",
        }),
    Key("answer", AFTER,
        "how the answer is read: {read: word, attended or kept, query:, among:, keep:}",
        learnable=ALWAYS, inner={
            "read": "word (of next_word), attended (the key with the largest weight), or kept",
            "query": "whose attention is read: a token or its index, or all",
            "among": "the keys that can be the answer (default: all)",
            "keep": "how many keys are kept: those with the largest sums of weights of others",
        }),
    Key("train", TRAINING,
        "for attn train: {examples:, parameters:, steps:, learning_rate:, seed:, start:, digits:}",
        option=NO_OPTION, learnable=ALWAYS,
        inner={
            "examples": "list of [words, answer]: the next word, or the key to attend to",
            "text": "file of text, instead of examples: the word after each word is learnt",
            "parameters": "names of what is learned (default: all that can be)",
            "held_out": "share of the examples that nothing is learnt from, such as 0.2",
            "steps": "number of steps (default: 300)",
            "learning_rate": "of Adam (default: 0.05)",
            "seed": "of the random numbers at the start (default: 0)",
            "start": "seed (the default), or file: the numbers that the file has",
            "digits": "decimals of the numbers written (default: all)",
        }),
    Key("like", ARITHMETIC,
        "the system whose conventions are used if no key sets them: see attn conventions"),
    Key("layout", ARITHMETIC, "rows (the default), or columns: every token is a column",
        learnable=ALWAYS),
    Key("dtype", ARITHMETIC,
        "type of the arithmetic: float64 (the default), float32, float16 or bfloat16",
        option=OWN, learnable=ALWAYS),
    Key("precision", ARITHMETIC,
        "types of parts of the arithmetic: {accumulate:, scores:, softmax:, output:, ...}",
        inner={
            "accumulate": "of sums: float32 or float64",
            "scale": "to which the scale is rounded before it is multiplied",
            "scaled": "of q and k that are scaled before their product",
            "scores": "of the scores, from the product to the mask",
            "softmax": "of the softmax",
            "weighted_sum": "to which the weights are rounded before they are multiplied by V",
            "output": "of the output",
            "rope": "of rotary embeddings; or {angles:, table:, rotation:}",
            "norm": "of norms; or {row:, gain:}",
        }),
    Key("nonfinite", ARITHMETIC,
        "NaN and infinity in Q, K, V, X and weights: refuse (the default) or allow",
        learnable=ALWAYS),
)}
# fmt: on

"""Valid inputs of every kind: what mutations begin with."""

from __future__ import annotations

import gzip
import io
import zipfile
from functools import cache
from typing import Any

import numpy as np

from attn_cli.sources.text.events import parse
from tests.helpers.processes import ROOT

X = "[[1, 0, 2], [0, 1, 1], [1, 1, 0], [2, 1, 0]]"
# Problems that have every key between them.
PROBLEMS = (
    f"tokens: [a, b, c, d]\nembeddings: {X}\nscore: dot\nscale: none\ncausal: true\n",
    f"embeddings: {X}\nlike: torch\ndtype: float32\nwindow: {{left: 1, right: 0}}\n",
    f"embeddings: {X}\nwindow: {{left: 1, right: 0}}\nsink_tokens: 1\n",
    f"embeddings: {X}\nwindow: {{keys: 2}}\nprefix: 1\ncausal: bottom-right\noffset: 0\n",
    f"embeddings: {X}\ndocuments: [0, 0, 1, 1]\nsoftcap: 5\nempty_rows: nan\n",
    f"embeddings: {X}\npositions: sinusoidal\nresidual: true\nlayer_norm: {{eps: 1e-5}}\n",
    f"embeddings: {X}\npositions: {{learned: {X}}}\nnormalize: {{function: entmax, alpha: 1.3}}\n",
    f"embeddings: {X}\nmemory: {{tokens: [u, v], embeddings: [[1, 2, 0], [0, 1, 1]]}}\n"
    "weights: {query: [[1, 0], [0, 1], [1, 1]], key: [[1, 0], [0, 1], [1, 1]], "
    "value: [[1], [2], [3]], output: [[1, 2]]}\nbiases: {query: [1, 2], output: [0, 1]}\n",
    f"embeddings: {X}\nmask: [[0, 0, -inf, 0]]\nmask_fill: {{value: -10000, how: add}}\ntop_k: 2\n",
    f"embeddings: {X}\nmask: {{values: [[1, 0, 1, 1]], true_means: attend}}\ntemperature: 0.5\n",
    f"embeddings: {X}\nscore_bias: [[0, 1, 2, 3]]\nscale_placement: split\nnonfinite: allow\n",
    "query: [[[[1, 2], [3, 4]], [[1, 0], [0, 1]]]]\nkey: [[[[1, 2], [3, 4]], [[1, 0], [0, 1]]]]\n"
    "value: [[[[1, 2], [3, 4]], [[1, 0], [0, 1]]]]\naxes: bhsd\nalibi: [0.5, 0.25]\n",
    "query: [[[[1, 2]], [[3, 4]]]]\nkey: [[[[1, 2], [3, 4]]]]\nvalue: [[[[1, 2], [3, 4]]]]\n"
    "past: {key: [[[[1, 1]]]], value: [[[[2, 2]]]]}\nqk_norm: {function: rms, eps: 1e-6}\n"
    "key_lengths: [2]\n",
    "embeddings: [[1, 0, 2, 1], [0, 1, 1, 2], [1, 1, 0, 0]]\nheads: 2\nkv_heads: 1\n"
    "grouping: interleave\nrope: {base: 100, interleaved: true, dims: 2}\n"
    "weights: {key: [[1, 0], [0, 1], [1, 0], [0, 1]], value: [[1, 0], [0, 1], [1, 0], [0, 1]]}\n",
    "embeddings: [[1, 0], [0, 1]]\nheads: 2\nsoftcap: 5\ncausal: true\n"
    "order: [softcap, bias, mask]\n"
    "relative_bias: {table: [[1, 2], [3, 4], [5, 6], [7, 8]], "
    "bidirectional: true, max_distance: 4}\n",
    "embeddings: [[1, 0], [0, 1]]\nscore: {function: additive, W1: [[1, 0], [0, 1]], "
    "W2: [[1, 0], [0, 1]], v: [1, 1]}\ndtype: bfloat16\n"
    "precision: {accumulate: float32, scale: bfloat16, softmax: float32}\n",
    "embeddings: [[1, 0], [0, 1]]\nscore: {function: gaussian, sigma: 2}\n"
    "dropout: {mask: [[1, 0], [1, 1]], p: 0.5}\noutput_gate: {logits: [[1, 0], [0, 1]]}\n",
    "embeddings: [[1, 0], [0, 1]]\nscore: {function: sparse, inside: dot, window: 1}\n"
    "feed_forward: {W1: [[1, 0], [0, 1]], b1: [0, 0], W2: [[1, 0], [0, 1]], activation: relu}\n",
    "tokens: The cat sat.\nlower: true\nembeddings: {the: [1, 0], cat: [0, 1], sat: [1, 1]}\n",
    "sequences: [the cat, cat sat]\nembeddings: {the: [1, 0], cat: [0, 1], sat: [1, 1]}\n"
    "next_word: {vocabulary: [the, cat], weights: [[1, 0], [0, 1]], pool: mean}\n"
    "answer: {read: attended, query: all, among: [0]}\n",
    "value: [[1, 2], [3, 4]]\nscore: {function: given, scores: [[1, 2], [3, 4]]}\n"
    "layout: columns\n",
    "query: [[[1, 0], [0, 1]]]\nkey: [[[1, 0], [0, 1]]]\nvalue: [[[1], [2]]]\nkey_start: [1]\n"
    "tokens: [a, b]\nkey_tokens: [c, d]\n",
    "query: [[[[1, 2, 3, 4]]]]\nkey: [[[[3, 4, 5, 6], [1, 0, 1, 0]]]]\nvalue: [[[[3], [4]]]]\n"
    "past: {key: [[[[1, 1, 2, 2]]]], value: [[[[2]]]], rotated: true}\nscore: scaled\n"
    "rope: {base: 100, positions: {query: [2], key: [0, 1]}}\n",
    "query: x.npy\nkey: x.npz#a\nvalue: x.csv\n",
    "embeddings: [[1, 0, 2], [0, 1, 1]]\nheads: 3\ngrouping: [1, 0, 0]\nscale: [1, 2, 0.5]\n"
    "temperature: [1, 0.5, 2]\nwindow: [{left: 1, right: 0}, {keys: 1}, none]\n",
    "query: [[[[1]], [[2]]]]\nkey: [[[[1]], [[2]]]]\nvalue: [[[[1]], [[2]]]]\n"
    "window: {left: [0, -1], right: 0}\n",
)
TRAINED = (
    "tokens: [a, b]\nembeddings: {a: [1, 0], b: [0, 1]}\n"
    "next_word: {vocabulary: [a, b], weights: [[1, 0], [0, 1]], bias: [0, 0], pool: last}\n"
    "train: {examples: [[a, b], [b, a]], "
    "parameters: [embeddings, next_word.weights], steps: 2, learning_rate: 0.1, seed: 3, "
    "start: seed, digits: 4}\n",
)
DICTIONARIES = (
    "pairs: {le: the, chat: cat, table: table}\n",
    "pairs: {le: the, chat: cat}\nembeddings: {le: [1, 0], chat: [0, 1], sur: [1, 1]}\n"
    "target_embeddings: {the: [1, 0], cat: [0, 1]}\nscore: dot\nscale: 2\ndtype: float32\n"
    "lower: true\ncontext: {weights: {query: [[1, 0], [0, 1]], key: [[1, 0], [0, 1]]}}\n",
)
OPTIONS = (
    "score=dot", "score={function: gaussian, sigma: 2}", "score=function: additive", "scale=2",
    "causal=true", "mask=[[0, 0, -inf]]", "mask=x.csv", "mask=null", "window=left: 1, right: 2",
    "window.keys=2", "score.window=1", "dtype=float32", "normalize=argmax", "tokens=a b c",
    "normalize={function: entmax, alpha: 1.5}", "query=x.npy", "query=[[1, 2, 3]]", "heads=3",
    "embeddings=[[1, 2], [3, 4]]", "weights.query=[[1], [2], [3]]", "alibi=[1, 2]", "rope=true",
    "threads=2", "tile=256x512", "tile=128", "memory=2GB", "memory=1.5 GiB", "check=q=[[1, 2]]",
    "check=output=x.npy", "documents=[0, 0, 1]", "key_lengths=[2]", "like=onnx", "offset=1",
)  # fmt: skip
COMMANDS = (
    "compute\np.yaml", "compute\np.yaml\n--show\nscores,weights", "compute\np.yaml\n-f\njson",
    "compute\n-\n--only\noutput\n--format\ncsv", "compute\np.yaml\n--query-token\nb\n--digits\n2",
    "compute\n--query\nx.npy\n--key\nx.npy\n--value\nx.csv\n--full", "compute\np.yaml\n--batch\n0",
    "compute\np.yaml\n--check\nq=[[1, 2]]\n--tolerance\n1e-3", "compute\np.yaml\n--window\nkeys: 2",
    "graph\np.yaml\n--threshold\n0.2\n--format\nmermaid", "graph\np.yaml\n-f\ndot\n--top\n1",
    "next\nn.yaml\nthe\ncat\n--top\n2", "next\nn.yaml\n--compare\nthe\ncat", "scores\nadditive",
    "translate\nle chat\n--unknown\nskip", "translate\n--method\nsoftmax\n--dictionary\nd.yaml\nle",
    "train\nt.yaml\n--steps\n1\n-o\n-", "train\nt.yaml\n--show-gradients\n--format\njson",
    "conventions\ntorch\nonnx", "normalizers\nentmax", "samples\ndog_sentence", "--version",
    "--help", "compute\n--help",
    "compute\np.yaml\n--threads\n2\n--tile\n8x8\n--memory\n1GB\n--labels\n-f\ntsv",
)  # fmt: skip
VECTORS = (
    "le 1.0 0.5 -2\nchat 0 1 2\ntable 3 4 5e-1\n",
    "3 2\nle 1 2\nchat 3 4\nsur 5 6\n",
    "le\t1\t2\nchat\t3\t4\n",
    "\ufeffle 1 2\r\nchat 3 4\r\n\r\né 1 2\r\n",
)
TABLES = (
    "1,2,3\n4,5,6\n", ",p,q\na,1,2\nb,3,4\n", '"x, y",1,2\n"z",3,4\n', "\ufeff1,2\r\n3,4\r\n",
    "1;2\n3;4\n", "inf,-inf,nan\n1e5,.5,-0\n", "\n1,2\n\n3,4\n", "le,the\nchat,cat\n",
)  # fmt: skip


def _encoded(texts: Any) -> list[bytes]:
    return [text.encode() for text in texts]


@cache
def problems() -> list[bytes]:
    """Problem files: the samples, those of the error messages, and one for each key."""
    samples = [path.read_bytes() for path in sorted((ROOT / "samples").glob("*.yaml"))]
    wrong = []
    for path in sorted((ROOT / "tests" / "errors").glob("*.txt")):
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            lines = [line[2:] for line in block.split("\n") if line.startswith("| ")]
            wrong += [("\n".join(lines) + "\n").encode()] if lines else []
    short = [text for text in (*samples, *wrong) if len(text) < 3000]
    return [*_encoded(PROBLEMS), *short]


@cache
def trees() -> list[Any]:
    """The trees of problems, of those that are YAML and mappings."""
    return [parse(text, "p.yaml") for text in (*PROBLEMS, *TRAINED)]


@cache
def arrays() -> list[bytes]:
    """NPY files of many types and shapes."""
    rng = np.random.default_rng(11)
    made: list[Any] = [
        rng.normal(size=(4, 3)), rng.normal(size=(2, 3)).astype(">f4"), np.ones((3, 2), "f2"),
        np.arange(6).reshape(2, 3), np.asfortranarray(rng.normal(size=(3, 5))),
        np.array([["a", "bc"]]), np.eye(3, dtype=bool), np.ones((1, 2, 3, 2)), np.array(2.5),
        np.ones((0, 3)), np.ones(3, "u1"), np.ones((2, 2), "c8"), np.zeros(2, "M8[D]"),
        np.array([b"x", b"yz"]), np.zeros(2, [("x", "f8"), ("y", "i4")]),
    ]  # fmt: skip
    return [_npy(array) for array in made]


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def archive(members: dict[str, bytes], *, packed: bool) -> bytes:
    """Return a ZIP archive of these files, the same each time."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for name, data in members.items():
            kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            zipped.writestr(zipfile.ZipInfo(name), data, kind)
    return stream.getvalue()


@cache
def members() -> list[dict[str, bytes]]:
    """The members of archives that are problems."""
    q, other, half, whole = arrays()[:4]
    flag, word = _npy(np.array(True)), _npy(np.array("dot"))
    return [
        {"q.npy": q, "k.npy": q, "v.npy": q},
        {"query.npy": q, "key.npy": q, "value.npy": half, "causal.npy": flag, "score.npy": word},
        {"embeddings.npy": whole, "weights.query.npy": half, "weights.key.npy": half},
        {"value.npy": other, "scores.npy": _npy(np.eye(2)), "notes.txt": b"hello"},
        {"tokens.npy": _npy(np.array(["a", "b"])), "embeddings.npy": other},
    ]


@cache
def archives() -> list[bytes]:
    """NPZ files, packed and not."""
    return [archive(each, packed=packed) for each in members() for packed in (False, True)]


@cache
def packed_vectors() -> list[bytes]:
    """Files of word vectors, gzipped."""
    return [gzip.compress(text, mtime=0) for text in _encoded(VECTORS)]


@cache
def texts(kind: str) -> list[bytes]:
    """The seeds of a kind of text."""
    found: dict[str, Any] = {
        "vectors": VECTORS, "tables": TABLES, "dictionaries": DICTIONARIES, "trained": TRAINED,
        "options": OPTIONS, "commands": COMMANDS,
    }  # fmt: skip
    return _encoded(found[kind])

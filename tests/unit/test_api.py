"""The Python API: the same keys, the same record, nothing else loaded."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import attn_cli
from attn_cli import AttnError, attention, compute, samples
from tests.conftest import SAMPLES

Q, K, V = [[1.0, 2.0]], [[3.0, 5.0], [7.0, 11.0]], [[13.0], [17.0]]


def test_arrays_lists_and_tuples_are_the_same() -> None:
    expected = attention(Q, K, V)["output"]
    for make in (np.array, lambda x: tuple(map(tuple, x)), lambda x: [np.array(r) for r in x]):
        np.testing.assert_array_equal(attention(make(Q), make(K), make(V))["output"], expected)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "i2", "u1", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_real_type_is_read_and_computed_in_float64(dtype: str, order: str) -> None:
    q, k, v = (np.asarray(x, dtype=dtype, order=order) for x in (Q, K, V))  # type: ignore[call-overload]
    record = attention(q, k, v)
    assert record["output"].dtype == np.float64
    np.testing.assert_array_equal(record["output"], attention(Q, K, V)["output"])


def test_only_the_steps_that_are_asked_for() -> None:
    assert list(attention(Q, K, V, steps=["output", "q"]).steps) == ["q", "output"]
    assert list(attention(Q, K, V, steps="weights").steps) == ["weights"]
    with pytest.raises(AttnError, match="the record has no step 'weights'"):
        attention(Q, K, V, steps=["q"])["weights"]


def test_output_projection_and_biases() -> None:
    X = [[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]]
    weights = {
        "query": [[1.0], [2.0]],
        "key": [[3.0], [5.0]],
        "value": [[1.0, 0, 2], [0, 1, 3]],
        "output": [[1.0], [2.0], [3.0]],
    }
    biases = {"query": [0.5], "key": [0.25], "value": [1.0, 2.0, 3.0], "output": [-7.0]}
    record = compute({"embeddings": X, "weights": weights, "biases": biases, "scale": 0.01})
    x = np.array(X)
    q, k, v = (x @ weights[n] + biases[n] for n in ("query", "key", "value"))
    e = np.exp(0.01 * q @ k.T)
    w = e / e.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(record["q"], q, rtol=1e-15)
    np.testing.assert_allclose(record["context"], w @ v, rtol=1e-13)
    np.testing.assert_allclose(record["output"], w @ v @ weights["output"] - 7, rtol=1e-13)
    assert record.steps["q"].formula == "Q = X W_q + b_q"
    assert record.steps["output"].formula == "output = context W_o + b_o"


def test_layout_columns_turns_matrices_but_not_the_parameters_of_scores() -> None:
    rng = np.random.default_rng(5)
    q, k, v = rng.normal(size=(5, 3)), rng.normal(size=(7, 2)), rng.normal(size=(7, 11))
    W = rng.normal(size=(3, 2))
    mask = rng.normal(size=(5, 7))
    W_o, b_o = rng.normal(size=(11, 13)), rng.normal(size=13)
    score = {"function": "multiplicative", "W": W}
    rows = attention(q, k, v, score, mask=mask, weights={"output": W_o}, biases={"output": b_o})
    columns = attention(
        q.T, k.T, v.T, score, mask=mask.T, weights={"output": W_o.T}, biases={"output": b_o},
        layout="columns",
    )  # fmt: skip
    for name, step in columns.steps.items():
        np.testing.assert_allclose(step.values.T, rows[name], rtol=1e-13)
    assert columns.steps["products"].formula == "products = K^T W^T Q"
    assert columns.steps["output"].formula == "output = W_o context + b_o 1^T"


def test_layout_columns_of_batches() -> None:
    rng = np.random.default_rng(6)
    q, k, v = (rng.normal(size=(2, 3, n, d)) for n, d in ((5, 11), (7, 11), (7, 13)))
    turned = (x.swapaxes(-1, -2) for x in (q, k, v))
    record = compute(dict(zip(("query", "key", "value"), turned, strict=True), layout="columns"))
    assert record["output"].shape == (2, 3, 13, 5)
    np.testing.assert_allclose(
        record["output"].swapaxes(-1, -2), attention(q, k, v)["output"], rtol=1e-13
    )


def test_cross_attention_with_given_keys_and_embedded_queries() -> None:
    X = [[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]]
    record = compute({"embeddings": X, "key": K, "value": V})
    np.testing.assert_array_equal(record["output"], attention(X, K, V)["output"])


def test_given_queries_over_embeddings() -> None:
    X = [[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]]
    record = compute({"query": Q, "embeddings": X})
    np.testing.assert_array_equal(record["output"], attention(Q, X, X)["output"])


def test_a_table_of_words_serves_the_memory_too() -> None:
    table = {"le": [1.0, 0.0], "chat": [0.0, 1.0], "noir": [1.0, 1.0]}
    record = compute(
        {"tokens": "le chat", "embeddings": table, "memory": {"tokens": ["noir", "le", "chat"]}}
    )
    np.testing.assert_array_equal(record["k"], [[1, 1], [1, 0], [0, 1]])
    assert list(record.key_tokens) == ["noir", "le", "chat"]


def test_a_path_a_string_and_a_mapping() -> None:
    path = SAMPLES / "scaled.yaml"
    assert compute(path)["output"].tolist() == compute(str(path))["output"].tolist()


def test_the_error_names_key_and_place(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("query: [[1]]\nkey: [[1]]\nvalue: [[x]]\n")
    with pytest.raises(AttnError) as caught:
        compute(path)
    error = caught.value
    assert error.path == ("value", 0, 0)
    assert error.where is not None
    assert (error.where.line, error.where.column) == (3, 10)
    assert str(error).startswith("value[0][0] must be a number, not 'x'\n")
    with pytest.raises(AttnError, match=r"^value\[0\]\[0\] must be a number, not 'x'$"):
        attention(Q, K[:1], [["x"]])


def test_unknown_names_are_errors() -> None:
    with pytest.raises(AttnError, match="unknown key 'causl'"):
        attention(Q, K, V, causl=True)
    with pytest.raises(AttnError, match="unknown step 'wieghts'"):
        attention(Q, K, V, steps=["wieghts"])
    with pytest.raises(AttributeError, match="no attribute 'attend'"):
        attn_cli.attend  # noqa: B018


def test_memory_limit_refuses_before_it_computes() -> None:
    n = 3000
    x = np.ones((n, 1))
    with pytest.raises(AttnError, match=r"would take 68.7 MiB, more than the 1.0 MiB allowed"):
        attention(x, x, x, steps=["weights"], memory_limit=1 << 20)
    assert attention(x, x, x, steps=["output"], memory_limit=1 << 20)["output"].shape == (n, 1)


def test_dtype_may_be_a_type() -> None:
    assert attention(Q, K, V, dtype=np.float32)["output"].dtype == np.float32


class Tensor:
    """An array of another library, which NumPy can take over or not."""

    def __init__(self, values: object, refuses: str | None = None) -> None:
        self.values, self.refuses = np.asarray(values), refuses
        self.shape = self.values.shape

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        if self.refuses:
            raise RuntimeError(self.refuses)
        return self.values


ATTEND = np.array([[False, True, False]])
TURNED = {"interleaved": np.array(True), "base": np.float32(4)}
# Key -> what another library gives, and the same in Python's own types.
SAME: dict[str, tuple[object, object]] = {
    "key_lengths": (Tensor([2]), [2]),
    "offset": (Tensor([1]), 1),
    "prefix": (Tensor(2), 2),
    "alibi": (Tensor([0.5]), [0.5]),
    "causal": (np.array(True), True),
    "rope": (TURNED, {"interleaved": True, "base": 4}),
    "documents": ((np.int64(3), np.int64(3), np.int64(7)), [0, 0, 1]),
    "mask": (
        {"values": Tensor(ATTEND), "true_means": np.array("attend")},
        [[-np.inf, 0, -np.inf]],
    ),
    "window": ({"left": Tensor(1)}, {"left": 1}),
    "order": (np.array(["mask", "bias", "softcap"]), ["mask", "bias", "softcap"]),
}
NEEDED: dict[str, dict[str, object]] = {
    "offset": {"causal": True},
    "prefix": {"causal": True},
    "order": {"causal": True, "softcap": 1},
}


@pytest.mark.parametrize("key", SAME)
def test_arrays_of_any_library_and_scalars_of_numpy(key: str) -> None:
    x = np.array([[1.0, 2], [3, 5], [7, 11]])
    given, plain = SAME[key]
    bare = {"query": x, "key": x, "value": x, **NEEDED.get(key, {})}
    found, expected = (compute({**bare, key: node})["weights"] for node in (given, plain))
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(found, compute(bare)["weights"])


def test_words_in_an_array_are_documents() -> None:
    words, numbers = np.array(["a", "a", "b"]), [0, 0, 1]
    x = np.array([[1.0, 2], [3, 5], [7, 11]])
    np.testing.assert_array_equal(
        attention(x, x, x, documents=words)["weights"],
        attention(x, x, x, documents=numbers)["weights"],
    )


def test_slopes_in_an_array_where_nothing_says_where_queries_stand() -> None:
    q, k = np.ones((1, 2, 3, 5)), np.ones((1, 2, 7, 5))
    with pytest.raises(AttnError, match="alibi needs to know the positions of the queries"):
        attention(q, k, k, alibi=np.array([0.5, 0.25]))


def test_an_array_that_numpy_cannot_take_over() -> None:
    with pytest.raises(AttnError) as caught:
        attention(Q, K, V, output_gate={"logits": Tensor([[1.0]], "it requires grad")})
    assert str(caught.value) == (
        "output_gate.logits cannot become a NumPy array: it requires grad\n"
        "help: convert it first, for example with .detach().float().numpy()"
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"mask": np.zeros((0, 3))}, r"^mask is empty: its shape is \(0, 3\)$"),
        ({"lower": np.zeros(2)}, r"^lower must be true or false, not an array of shape \(2,\)$"),
        (
            {"window": np.zeros((2, 2)), "offset": 0},
            r"^window must be a mapping, not an array of shape \(2, 2\)",
        ),
        ({"alibi": [[0.5]], "offset": 0}, r"^alibi has shape \(1, 1\), expected \(heads\)"),
    ],
)
def test_arrays_in_the_wrong_place(keys: dict[str, object], message: str) -> None:
    with pytest.raises(AttnError, match=message):
        compute({"query": Q, "key": K, "value": V, **keys})


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        (np.array([[1 + 1j]]), "complex numbers, not real numbers"),
        (np.array([[{}]], dtype=object), "Python objects, not real numbers"),
        (np.array([["a"]]).astype("S1"), "bytes, not real numbers"),
        (np.zeros((1, 1), dtype=[("x", float)]), "records with the fields x, not real numbers"),
        (np.array([[1]], dtype="M8[D]"), "dates, not real numbers"),
        pytest.param(
            np.array([[1]], dtype=np.longdouble),
            f"{np.dtype(np.longdouble)}, a type that differs from machine to machine",
            marks=pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="it is float64"),
        ),
    ],
)
def test_arrays_are_refused_as_files_are(cells: np.ndarray, what: str, tmp_path: Path) -> None:
    with pytest.raises(AttnError) as caught:
        attention(cells, K, V)
    assert caught.value.message == f"query holds {what}"
    assert caught.value.help == (
        "give one real number per cell: float16, float32, float64 or integers"
    )
    if cells.dtype.kind == "O":
        return  # of a file they are never loaded
    np.save(tmp_path / "q.npy", cells)
    with pytest.raises(AttnError) as of_file:
        attention(str(tmp_path / "q.npy"), K, V)
    assert of_file.value.message == f"{tmp_path / 'q.npy'} holds {what}"
    assert of_file.value.help == caught.value.help


@pytest.mark.regression("None and mappings other than dict were refused")
def test_python_may_leave_out_with_none_and_use_any_mapping() -> None:
    from types import MappingProxyType

    x = np.eye(2)
    plain = attention(x, x, x, {"function": "gaussian", "sigma": 2})
    same = attention(
        x, x, x, MappingProxyType({"function": "gaussian", "sigma": 2}), mask=None, scale=None
    )
    np.testing.assert_array_equal(same["output"], plain["output"])
    np.testing.assert_array_equal(
        attention(x, x, x, causal=np.bool_(True))["weights"],
        attention(x, x, x, causal=True)["weights"],
    )


def test_an_axis_of_a_step_is_named_or_numbered() -> None:
    weights = compute(SAMPLES / "two_heads.yaml", head=1)["weights"]
    step = compute(SAMPLES / "two_heads.yaml").steps["weights"]
    assert step.axes == ("head", "query", "key")
    for axes in ((0, 1, 2), (-3, -2, -1), step.axes):
        assert [list(step.indices(axis)) for axis in axes] == [[0, 1], [*range(4)], [*range(4)]]
        assert [step.letter_of(axis) for axis in axes] == ["", None, None]
        head = step.entry(axes[0], 1)
        assert (head.axes, head.shape) == (("query", "key"), (4, 4))
        np.testing.assert_array_equal(head.values, weights.squeeze())
        assert step.entry(axes[2], 3).labels == step.labels[:2]
    for axis in ("keys", 3, -4):
        for ask in (step.indices, step.letter_of, lambda axis: step.entry(axis, 0)):
            with pytest.raises(AttnError, match=f"weights has no axis {axis!r}") as caught:
                ask(axis)
            assert caught.value.help == "its axes are: head, query, key"


def test_one_thread_computes_unless_more_are_asked_for() -> None:
    for function in (attention, compute):
        assert inspect.signature(function).parameters["threads"].default == 1


def test_a_step_is_whole_unless_it_is_cut() -> None:
    step = attention(Q, K, V).steps["weights"]
    assert step.whole
    assert not step.cut((None, [1])).whole


def test_samples_are_in_alphabetical_order_with_their_first_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in "bca":
        (tmp_path / f"{name}.yaml").write_text(f"# The {name}.\nvalue: [[1]]\n")
    backwards = [tmp_path / f"{name}.yaml" for name in "cba"]
    monkeypatch.setattr(samples, "folder", lambda: tmp_path)
    assert samples.sample("b").summary == "The b."
    monkeypatch.setattr(Path, "glob", lambda *_: backwards)
    assert samples.names() == ["a", "b", "c"]


def test_a_message_of_the_longest_length_is_not_cut() -> None:
    for length, end in ((2000, "x"), (2001, "x...")):
        assert AttnError("x" * length).report().endswith(f"x{end}")
    assert len(AttnError("x" * 2001).report()) == len("error: ") + 2000 + len("...")

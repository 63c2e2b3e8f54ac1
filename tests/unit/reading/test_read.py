"""Reading: words and numbers by context, files of every kind, options over file keys."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_cli import AttnError, attention, compute
from attn_cli.reading.schema import read_problem
from attn_cli.reading.sides import LETTERS, Heads
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.text.events import find, parse
from attn_cli.sources.text.scalars import number, numbers
from tests.conftest import SAMPLES, Attn

WORDS = ["no", "on", "off", "yes", "y", "null", "~", "1e5", "true", "010", "12:30", "l'eau", ":-)"]


def test_words_stay_the_words_they_are() -> None:
    record = compute({"tokens": WORDS, "embeddings": [[1.0]] * len(WORDS)})
    assert list(record.query_tokens) == WORDS


def test_words_of_a_file(tmp_path: Path) -> None:
    plain = [w for w in WORDS if w not in {":-)"}]
    path = tmp_path / "p.yaml"
    table = "".join(f"  {word}: [{at}]\n" for at, word in enumerate(plain) if word != "~")
    path.write_text(
        f"tokens: [{', '.join(w for w in plain if w != '~')}]\nembeddings:\n{table}",
        encoding="utf-8",
    )
    record = compute(path)
    assert list(record.query_tokens) == [w for w in plain if w != "~"]
    assert record["embeddings"][:, 0].tolist() == [at for at, w in enumerate(plain) if w != "~"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0), ("-0", -0.0), ("+2", 2.0), ("3.", 3.0), ("-.5", -0.5), (".5", 0.5),
        ("1e5", 1e5), ("1E-5", 1e-5), ("1.5e+3", 1500.0), ("0", 0.0), ("0.0", 0.0), ("00", None),
        ("inf", np.inf), ("-.inf", -np.inf), ("+inf", np.inf), ("1_000", None), ("010", None),
        ("12:30", None), ("1,5", None), ("", None), (".", None), ("e5", None), ("1e", None),
        ("--1", None), ("0x10", None), ("infinity", None), ("1 2", None), ("١", None), ("½", None),
        ("1e5.0", None), ("-01", None), ("true", None), ("1\n", None),
    ],
)  # fmt: skip
def test_grammar_of_numbers(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(AttnError):
            number(text, ("x",))
        with pytest.raises(AttnError):
            numbers([text, "1"], ("x",))
    else:
        assert number(text, ("x",)) == numbers([text, "1"], ("x",))[0] == value


def test_nan_is_a_number_where_it_is_allowed() -> None:
    assert np.isnan([number(text, ("x",)) for text in ("nan", ".nan", "NaN")]).all()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_any_float_reads_back(values: list[float]) -> None:
    assert numbers([repr(v) for v in values], ()) == values


# The characters that YAML allows in a text; JSON allows controls too.
TEXTS = st.text(
    st.characters(
        min_codepoint=32, exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufeff"
    ),
    min_size=1,
    max_size=20,
)
TREES = st.recursive(
    TEXTS,
    lambda node: st.lists(node, max_size=4) | st.dictionaries(TEXTS, node, max_size=4),
    max_leaves=10,
)


@given(TREES)
def test_json_is_read_as_json_reads_it(tree: Any) -> None:
    """Strings in quotes, whatever they hold: surrogate pairs of JSON included."""
    for ascii_only in (True, False):
        text = json.dumps([tree], ensure_ascii=ascii_only)
        assert parse(text, "x") == json.loads(text)


def test_positions_agree_with_pyyaml() -> None:
    text = (SAMPLES / "love_coding.yaml").read_text()

    def walk(node: yaml.Node, path: tuple[str | int, ...]) -> None:
        place = find(text, path)
        assert place is not None
        assert (place.line, place.column) == (
            node.start_mark.line + 1,
            node.start_mark.column + 1,
        )
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                at_key = find(text, (*path, key.value), at_key=True)
                assert at_key is not None
                assert (at_key.line, at_key.column) == (
                    key.start_mark.line + 1,
                    key.start_mark.column + 1,
                )
                walk(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for at, item in enumerate(node.value):
                walk(item, (*path, at))

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    walk(root, ())


def test_without_libyaml_the_answers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with_c = compute(SAMPLES / "bank.yaml")
    monkeypatch.delattr(yaml, "CSafeLoader")
    without = compute(SAMPLES / "bank.yaml")
    np.testing.assert_array_equal(without["output"], with_c["output"])


def test_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbfembeddings: [[1, 2]]\r\nscore: dot\r\nscale: x\r\n")
    with pytest.raises(AttnError) as caught:
        compute(path)
    where = caught.value.where
    assert where is not None
    assert (where.line, where.column, where.text) == (3, 8, "scale: x")


Q, K, V = (np.random.default_rng(3).normal(size=s) for s in ((3, 5), (7, 5), (7, 2)))


def write_all(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    np.save(folder / "q.npy", Q)
    np.save(folder / "k.npy", np.asfortranarray(K.astype(">f8")))
    np.savez_compressed(folder / "v.npz", values=V, other=K)
    np.savetxt(folder / "k.csv", K, delimiter=",", fmt="%.17g")
    np.savetxt(folder / "v.tsv", V, delimiter="\t", fmt="%.17g")
    np.save(folder / "kt.npy", K.T)
    return {"q": Q, "k": K, "v": V}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("k.npy", "v.npz#values"),
        ("k.csv", "v.tsv"),
        ("{file: kt.npy, transpose: true}", "{file: v.npz, name: values}"),
        ("{file: k.npy}", "{file: v.npz, name: values, transpose: false}"),
    ],
)
def test_every_form_of_a_matrix(key: str, value: str, tmp_path: Path) -> None:
    write_all(tmp_path)
    path = tmp_path / "p.yaml"
    path.write_text(f"query: q.npy\nkey: {key}\nvalue: {value}\n")
    np.testing.assert_array_equal(compute(path)["output"], attention(Q, K, V)["output"])


def test_paths_are_relative_to_the_file_and_those_of_options_to_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attn: Attn
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write_all(inner)
    np.save(tmp_path / "q.npy", -Q)
    (inner / "p.yaml").write_text("query: q.npy\nkey: k.npy\nvalue: v.npz#values\n")
    monkeypatch.chdir(tmp_path)
    assert (
        json.loads(attn("compute", "inner/p.yaml", "--only", "q", "--format", "json").out)["steps"][
            "q"
        ]["values"]
        == Q.tolist()
    )
    for option in (["--query", "q.npy"], ["--set", "query=q.npy"]):
        ran = attn("compute", "inner/p.yaml", "--only", "q", "--format", "json", *option)
        assert json.loads(ran.out)["steps"]["q"]["values"] == (-Q).tolist()


def test_labels_are_written_and_read_again(tmp_path: Path, attn: Attn) -> None:
    """Numbers for labels too: the empty first cell tells."""
    out = tmp_path / "weights.csv"
    sample = SAMPLES / "love_coding.yaml"
    assert attn("compute", sample, "--only", "weights", "--labels", "-o", out).status == 0
    assert out.read_text().splitlines()[0] == ",I,love,coding"
    problem = {"value": str(out), "score": {"function": "given", "scores": str(out)}}
    np.testing.assert_array_equal(compute(problem)["v"], compute(sample)["weights"])


@pytest.mark.parametrize("sample", ["scaled", "gaussian", "bank", "love_coding"])
def test_what_we_write_as_npz_is_read_again(sample: str, tmp_path: Path, attn: Attn) -> None:
    path, out = SAMPLES / f"{sample}.yaml", tmp_path / "out.npz"
    assert attn("compute", path, "-o", out).status == 0
    record = compute(path)
    again = compute(out)
    for name in ("q", "k", "v"):
        np.testing.assert_array_equal(again[name], record[name])
    with np.load(out) as archive:
        assert list(archive.files) == list(record.steps)
        for name in archive.files:
            np.testing.assert_array_equal(archive[name], record[name])


def test_npz_members_may_be_any_key(tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "p.npz"
    X = np.arange(6.0).reshape(3, 2)
    W = np.array([[1.0, 2.0], [3.0, 5.0]])
    members: dict[str, Any] = {"embeddings": X, "tokens": np.array(["a", "b", "c"])}
    members |= {"score": np.array("multiplicative"), "weights.key": W, "scale": np.array(0.5)}
    np.savez(path, **members)
    ran = attn("compute", path, "--set", "score.W=[[1, 0], [0, 1]]", "--format", "json")
    assert ran.err == ""
    document = json.loads(ran.out)
    assert document["tokens"]["query"] == ["a", "b", "c"]
    np.testing.assert_allclose(document["steps"]["scores"]["values"], 0.5 * X @ (X @ W).T)


def test_standard_input(attn: Attn) -> None:
    text = (SAMPLES / "love_coding.yaml").read_text()
    expected = attn("compute", SAMPLES / "love_coding.yaml").out
    assert attn("compute", "-", stdin=text).out == expected
    as_json = json.dumps(yaml.safe_load(text), indent=1)
    assert attn("compute", "-", stdin=as_json).out == expected
    ran = attn(
        "compute", SAMPLES / "scaled.yaml", "--value", "-", "--only", "v", "--format", "tsv",
        stdin=_npy(np.array([[2.0], [3.0], [5.0]])),
    )  # fmt: skip
    assert ran.out == "2.0\n3.0\n5.0\n"
    ran = attn("compute", SAMPLES / "scaled.yaml", "--tokens", "-", stdin="one\n two ")
    assert "\none " in ran.out
    assert "\ntwo " in ran.out


def _npy(array: Any) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@given(arrays(np.float64, (3, 5), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_yaml_to_npy_to_yaml(values: Any) -> None:
    """A matrix written with repr in YAML is the matrix of the NPY file, to the last bit."""
    from attn_cli.sources.matrices.document import Document
    from attn_cli.sources.matrices.matrix import read_array

    tree = parse(f"m: {values.tolist()}", "x")
    from_yaml = read_array(Document(tree), tree["m"], ("m",))
    from attn_cli.sources.matrices.npy_files import read_npy

    from_npy = read_npy(BytesIO(_npy(from_yaml)), "x", ())
    np.testing.assert_array_equal(from_npy, values)


OVERRIDES = [
    ("--score", "scaled", "score", "scaled"),
    ("--score", "{function: sparse, window: 1}", "score", {"function": "sparse", "window": 1}),
    ("--scale", "0.25", "scale", 0.25),
    ("--scale", "none", "scale", "none"),
    ("--normalize", "argmax", "normalize", "argmax"),
    ("--causal", "true", "causal", True),
    ("--causal", "bottom-right", "causal", "bottom-right"),
    ("--dtype", "float32", "dtype", "float32"),
    ("--set", "mask=[[0, -1, 0.5]]", "mask", [[0, -1, 0.5]]),
    ("--set", "weights.output=[[1], [2], [3]]", "weights.output", [[1], [2], [3]]),
    ("--set", "score.function=scaled", "score", "scaled"),
    ("--set", "nonfinite=allow", "nonfinite", "allow"),
]


@pytest.mark.parametrize(("option", "text", "key", "value"), OVERRIDES)
def test_options_override_keys(option: str, text: str, key: str, value: Any, attn: Attn) -> None:
    sample = SAMPLES / ("scaled.yaml" if text == "none" else "love_coding.yaml")
    problem = yaml.safe_load(sample.read_text())
    parent, _, child = key.rpartition(".")
    (problem[parent] if parent else problem)[child] = value
    ran = attn("compute", sample, option, text, "--format", "json")
    assert ran.err == ""
    document = json.loads(ran.out)
    record = compute(problem)
    assert list(document["steps"]) == list(record.steps)
    for name in record.steps:
        values = np.array(document["steps"][name]["values"], dtype=float)
        np.testing.assert_array_equal(values, record[name])
    without = attn("compute", sample, "--format", "json")
    assert without.out != ran.out


def test_score_option_replaces_the_whole_mapping(attn: Attn) -> None:
    ran = attn("compute", SAMPLES / "additive.yaml", "--score", "dot", "--format", "json")
    assert json.loads(ran.out)["settings"]["score"] == {"function": "dot"}


def test_later_options_set_parts_of_a_name(attn: Attn) -> None:
    ran = attn(
        "compute", SAMPLES / "love_coding.yaml", "--score", "sparse", "--set", "score.window=0",
        "--only", "weights", "--format", "tsv",
    )  # fmt: skip
    assert ran.out == "1.0\t0.0\t0.0\n0.0\t1.0\t0.0\n0.0\t0.0\t1.0\n"


@pytest.mark.parametrize("tail", [[], ["--format", "json"], ["SAMPLE"]])
def test_causal_alone_means_true(tail: list[str], attn: Attn) -> None:
    sample = str(SAMPLES / "love_coding.yaml")
    arguments = [sample if part == "SAMPLE" else part for part in tail]
    head = [] if "SAMPLE" in tail else [sample]
    alone = attn("compute", *head, "--causal", *arguments)
    written = attn("compute", *head, "--causal", "true", *arguments)
    assert alone == written
    assert alone.status == 0


@pytest.mark.regression("weights.key was ignored beside given scores")
def test_given_scores_leave_no_weight_unread() -> None:
    problem = {"value": [[1.0]], "score": {"function": "given", "scores": [[1.0]]}}
    for group in ("weights", "biases"):
        with pytest.raises(
            AttnError, match=f"{group}.key has nothing to apply to: key is not read"
        ):
            compute({**problem, group: {"key": [["x"]]}})


@pytest.mark.regression("a whole number was looked up among the words")
def test_an_index_from_python_is_no_word() -> None:
    x = [[1.0], [2.0]]
    assert attention(x, x, x, tokens=["1", "0"], query_token=1)["q"].tolist() == [[2.0]]
    assert attention(x, x, x, tokens=["1", "0"], query_token="1")["q"].tolist() == [[1.0]]
    with pytest.raises(AttnError, match="there is no query -1: there are 2"):
        attention(x, x, x, query_token=-1)


@pytest.mark.regression("whole numbers beyond float64 ended in an OverflowError")
def test_numbers_beyond_float64() -> None:
    with pytest.raises(AttnError, match=r"query\[0\]\[0\] is too large for float64"):
        attention([[10**400]], [[1]], [[1]])
    with pytest.raises(AttnError, match="no query " + "9" * 5000 + "|there is no query"):
        attention([[1]], [[1]], [[1]], query_token="9" * 5000)


@pytest.mark.regression("whole numbers beyond int64 ended in an OverflowError")
def test_whole_numbers_that_int64_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"embeddings: [[{10**300}, {2**53 + 2}]]\n")
    np.testing.assert_array_equal(compute(path, steps=["v"])["v"], [[1e300, 2.0**53 + 2]])


def test_a_matrix_of_no_numbers_is_said_to_be_empty() -> None:
    cases: tuple[tuple[list[Any], str], ...] = (([], ""), ([[]], r"\[0\]"))
    for matrix, place in cases:
        with pytest.raises(AttnError, match=f"^weights.query{place} is empty"):
            compute({"embeddings": [[1.0]], "weights": {"query": matrix}})


def test_beside_heads_four_axes_have_their_own_key_heads() -> None:
    x = np.arange(24.0).reshape(1, 2, 3, 4) / 9
    shared = compute({"query": x, "key": x[:, :1], "value": x[:, :1], "heads": 2})
    twice = np.repeat(x[:, :1], 2, axis=1)
    alone = compute({"query": x, "key": twice, "value": twice})
    np.testing.assert_array_equal(shared["output"], alone["output"])


def test_a_network_has_the_activation_that_is_written() -> None:
    network = {"W1": [[1.0]], "W2": [[1.0]]}
    for activation, expected in (({}, 0.0), ({"activation": "identity"}, -2.0)):
        record = compute({"embeddings": [[-2.0]], "feed_forward": {**network, **activation}})
        assert record["feed_forward"].tolist() == [[expected]]


def test_heads_of_keys_have_a_symbol_of_their_own_if_there_are_fewer() -> None:
    assert [Heads(4, 2).symbol(side) for side in LETTERS] == ["heads", "kv_heads", "kv_heads"]
    assert [Heads(4, 4).symbol(side) for side in LETTERS] == ["heads"] * 3


def test_types_narrower_than_float64_are_known_unless_one_is_chosen() -> None:
    half, single = np.ones((2, 2), np.float16), np.ones((2, 2), np.float32)
    problem = {"query": half, "key": single, "value": np.ones((2, 2))}
    assert read_problem(from_mapping(problem)).narrow == ("float16", "float32")
    assert read_problem(from_mapping({**problem, "dtype": "float32"})).narrow == ()


def test_the_alignment_of_onnx_depends_on_a_cache() -> None:
    zeros = {"query": np.zeros((2, 1)), "key": np.zeros((3, 1)), "value": np.zeros((3, 1))}
    causal = {**zeros, "causal": True, "like": "onnx"}
    first = [[1.0, 0, 0], [1 / 2, 1 / 2, 0]]
    np.testing.assert_allclose(compute(causal)["weights"], first)
    last = [[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(compute({**causal, "key_lengths": 3})["weights"], last)


def test_an_alignment_other_than_that_of_the_preset_is_noted() -> None:
    zeros = {"query": np.zeros((2, 1)), "key": np.zeros((3, 1)), "value": np.zeros((3, 1))}
    record = compute({**zeros, "causal": "bottom-right", "like": "torch"})
    assert record.warnings == ("causal is bottom-right, as written; like torch has top-left",)

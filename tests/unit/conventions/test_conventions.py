"""Presets as data: legal, right by what is known of each system, and resolved as they should be."""

from __future__ import annotations

import math
from typing import Any

import pytest

from attn_cli import AttnError
from attn_cli.conventions.examples import EXAMPLES
from attn_cli.conventions.knobs import KNOBS, text
from attn_cli.conventions.presets import PRESETS, preset
from attn_cli.maths.bias.alibi import FORMS, SLOPES
from attn_cli.maths.heads import GROUPINGS
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.window_reader import COUNTS

# The knobs and presets of the specification, in the order in which they are listed.
NAMES = [
    "torch", "torch-mha", "flash-attn", "onnx@1.21", "onnx@1.22", "onnx", "hf-eager", "jax@0.10.0",
    "jax",
    "keras", "xformers", "x-transformers", "gpt-oss", "gemma-2", "d2l", "opennmt",
    "tensor2tensor", "annotated-transformer",
]  # fmt: skip
KEYS = {
    "mask.true_means", "mask.axes", "causal", "window", "order", "mask_fill", "empty_rows",
    "scale_placement",
    "grouping", "axes", "rope.interleaved", "past.rotated",
    "alibi.slopes", "alibi.form", "positions.layout",
    "precision.scale", "precision.scaled", "precision.scores", "precision.softmax",
    "precision.weighted_sum",
}  # fmt: skip

LAST, BATCH = "[[query, key], [head, query, key]]", "[[query, key], [batch, query, key]]"
PADDING = "[[batch, key]]"
WIDE = "at least float32"
NONE = ("-",)
CAP, LATE, SUM = "[softcap, bias, mask]", "[bias, mask, softcap]", "[bias, softcap, mask]"
INF = "{value: -inf, how: select}"


def test_names() -> None:
    assert list(PRESETS) == NAMES
    assert set(KNOBS) == KEYS == set(EXAMPLES)
    assert all(
        name == knob.name and knob.key == tuple(name.split(".")) for name, knob in KNOBS.items()
    )
    assert all(name == each.name for name, each in PRESETS.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_sets_existing_knobs_to_legal_values_and_says_where_from(name: str) -> None:
    chosen = PRESETS[name]
    assert chosen.settings
    for knob, value in chosen.settings.items():
        assert text(value) in KNOBS[knob].values
        assert KNOBS[knob].meaning(value)
    assert list(chosen.settings) == [knob for knob in KNOBS if knob in chosen.settings]
    assert chosen.title
    assert chosen.version
    assert chosen.sources
    assert all((*chosen.sources, *chosen.notes))


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_knob_has_several_answers_and_a_default_among_them(name: str) -> None:
    knob = KNOBS[name]
    assert len(knob.values) == len(knob.answers) > 1
    assert all(knob.values.values())
    assert knob.question.endswith("?")
    if name in {"mask.true_means", "mask.axes", "causal", "window", "past.rotated"}:
        assert knob.default is None
    else:
        assert text(knob.default) in knob.values


# What the facts say of PyTorch, FlashAttention and three versions of ONNX; -: they do not set it.
CORE = ("torch", "flash-attn", "onnx@1.21", "onnx@1.22", "onnx")
TABLE: dict[str, tuple[str, ...]] = {
    "mask.true_means": ("attend", "attend", "attend", "attend", "attend"),
    "mask.axes": (LAST, PADDING, LAST, LAST, LAST),
    "causal": ("top-left", "bottom-right", "top-left", "top-left", "cache"),
    "window": ("-", "previous", "-", "-", "previous"),
    "order": ("-", CAP, LATE, CAP, CAP),
    "mask_fill": (INF, INF, INF, INF, INF),
    "empty_rows": ("zero", "zero", "nan", "nan", "zero"),
    "scale_placement": ("scores", "query", "split", "split", "split"),
    "precision.scale": ("accumulate", "accumulate", "dtype", "dtype", "dtype"),
    "precision.scaled": (WIDE, WIDE, "dtype", "dtype", "dtype"),
    "precision.scores": (WIDE, WIDE, "dtype", "dtype", "dtype"),
    "precision.softmax": ("-", "-", "dtype", "dtype", "dtype"),
    "precision.weighted_sum": (WIDE, WIDE, "dtype", "dtype", "dtype"),
    "grouping": ("interleave",) * 5,
    "axes": ("bhsd", "bshd", "bhsd", "bhsd", "bhsd"),
    "positions.layout": NONE * 5,
    "rope.interleaved": ("-", "false", "false", "false", "false"),
    "past.rotated": ("-", "true", "true", "true", "true"),
    "alibi.slopes": ("-", "paper", "-", "-", "-"),
    "alibi.form": ("-", "distance", "-", "-", "-"),
}

# What they say of the others: value -> those that have it; the others do not set it.
OTHERS: dict[str, dict[str, str]] = {
    "mask.true_means": {
        "attend": "hf-eager jax@0.10.0 jax keras x-transformers gemma-2 annotated-transformer",
        "ignore": "torch-mha opennmt",
    },
    "mask.axes": {
        LAST: "jax@0.10.0 jax",
        BATCH: "keras opennmt annotated-transformer",
        "[[query, key], [batch*head, query, key]]": "torch-mha",
        "[[batch, key], [head, query, key]]": "x-transformers",
        PADDING: "hf-eager gemma-2",
    },
    "causal": {
        "top-left": "jax@0.10.0 jax keras xformers",
        "end": "hf-eager gemma-2 x-transformers",
    },
    "window": {
        "keys": "hf-eager gemma-2 gpt-oss xformers",
        "previous": "x-transformers opennmt tensor2tensor",
        "band": "keras",
        "both": "jax@0.10.0 jax",
    },
    "order": {CAP: "gemma-2", SUM: "x-transformers"},
    "mask_fill": {
        INF: "torch-mha xformers gpt-oss",
        "{value: lowest, how: add}": "hf-eager gemma-2",
        "{value: lowest, how: select}": "x-transformers",
        "{value: 0.7 lowest, how: select}": "jax@0.10.0",
        "{value: 0.7 lowest float32, how: select}": "jax",
        "{value: -1e6, how: select}": "d2l",
        "{value: -1e9, how: add}": "tensor2tensor",
        "{value: -1e9, how: select}": "keras annotated-transformer",
        "{value: -1e18, how: select}": "opennmt",
    },
    "empty_rows": {
        "zero": "keras gpt-oss",
        "{mask: zero, other: uniform}": "x-transformers",
        "nan": "torch-mha",
        "uniform": "opennmt",
    },
    "scale_placement": {
        "scores": "hf-eager jax@0.10.0 jax x-transformers gpt-oss gemma-2 d2l "
        "annotated-transformer",
        "query": "torch-mha keras xformers opennmt tensor2tensor",
    },
    "precision.scale": {
        "accumulate": "torch-mha hf-eager jax@0.10.0 jax xformers x-transformers gpt-oss gemma-2 "
        "d2l opennmt annotated-transformer",
        "dtype": "keras tensor2tensor",
    },
    "precision.scaled": {
        WIDE: "xformers",
        "dtype": "torch-mha keras opennmt tensor2tensor",
    },
    "precision.scores": {
        WIDE: "jax@0.10.0 jax xformers",
        "dtype": "torch-mha hf-eager keras x-transformers gpt-oss gemma-2 d2l opennmt "
        "tensor2tensor annotated-transformer",
    },
    "precision.weighted_sum": {
        WIDE: "xformers",
        "dtype": "torch-mha hf-eager jax@0.10.0 jax keras x-transformers gpt-oss gemma-2 d2l "
        "opennmt tensor2tensor annotated-transformer",
    },
    "precision.softmax": {
        "float32": "hf-eager gemma-2 jax@0.10.0 jax x-transformers opennmt",
        "accumulate": "gpt-oss",
    },
    "grouping": {
        "interleave": "hf-eager gemma-2 jax@0.10.0 jax keras xformers gpt-oss opennmt",
        "tile": "x-transformers",
    },
    "axes": {
        "bhsd": "hf-eager gemma-2 x-transformers opennmt tensor2tensor annotated-transformer",
        "bshd": "jax@0.10.0 jax keras xformers",
    },
    "positions.layout": {
        "interleaved": "d2l opennmt annotated-transformer",
        "concatenated": "tensor2tensor",
    },
    "rope.interleaved": {
        "false": "hf-eager gemma-2 gpt-oss",
        "true": "x-transformers opennmt",
    },
    "past.rotated": {"true": "hf-eager gemma-2 gpt-oss opennmt", "false": "x-transformers"},
    "alibi.slopes": {"paper": "hf-eager x-transformers opennmt"},
    "alibi.form": {"distance": "x-transformers opennmt", "last_key": "hf-eager"},
}


@pytest.mark.parametrize("knob", sorted(KEYS))
def test_what_each_system_does(knob: str) -> None:
    expected = dict(zip(CORE, TABLE[knob], strict=True))
    for value, names in OTHERS[knob].items():
        expected |= dict.fromkeys(names.split(), value)
    for name in NAMES:
        settings = PRESETS[name].settings
        found = text(settings[knob]) if knob in settings else "-"
        assert found == expected.get(name, "-"), name


def test_fills_that_are_finite_leave_empty_rows_to_the_arithmetic() -> None:
    """Only Keras and x-transformers put zeros there, after a finite fill.

    That of OpenNMT is put into float32 scores, and would be -inf in float16.
    """
    for name, each in PRESETS.items():
        fill = each.settings["mask_fill"]["value"]
        if fill != -math.inf and name not in {"keras", "x-transformers", "opennmt"}:
            assert "empty_rows" not in each.settings


def test_nothing_is_decided_without_a_preset() -> None:
    none = Conventions.of({"axes": "bshd"})
    assert none.preset is None
    assert not any(none.preset_sets(knob) for knob in KNOBS)
    assert none.resolved() == {name: knob.default for name, knob in KNOBS.items()}
    assert none.read("axes") == none.get("axes") == "bshd"
    assert none.notes() == ()


def test_a_preset_decides_where_it_has_a_say() -> None:
    torch = Conventions.of({"like": "torch"})
    assert torch.preset is PRESETS["torch"]
    assert torch.preset_sets("causal")
    assert torch.read("causal") == torch.get("causal") == "top-left"
    assert not torch.preset_sets("window")
    assert torch.get("window") is None
    assert torch.get("order") == ["softcap", "bias", "mask"]
    assert list(torch.resolved()) == list(KNOBS)


def test_written_keys_win_with_a_note_where_they_differ() -> None:
    written = {
        "scale_placement": "scores",
        "order": ["bias", "softcap", "mask"],
        "axes": "bshd",  # as the preset has it
        "precision": {"softmax": "float16"},  # of which it says nothing
    }
    flash = Conventions.of({"like": "flash-attn", **written})
    assert flash.read("scale_placement") == "scores"
    for knob in ("order", "axes", "precision.softmax"):
        flash.read(knob, lambda node, path: node)
    assert flash.get("scale_placement") == flash.resolved()["scale_placement"] == "scores"
    assert flash.preset_sets("scale_placement")
    assert flash.notes() == (
        "order is [bias, softcap, mask], as written; like flash-attn has [softcap, bias, mask]",
        "scale_placement is scores, as written; like flash-attn has query",
    )
    assert flash.resolved()["precision.softmax"] == "float16"
    assert Conventions.of({"like": "flash-attn"}).read("scale_placement") == "query"


@pytest.mark.parametrize(
    ("knob", "table"),
    [
        ("grouping", GROUPINGS), ("alibi.form", FORMS), ("alibi.slopes", SLOPES),
        ("window", COUNTS),
    ],
)  # fmt: skip
def test_the_mathematics_has_a_function_for_each_answer(knob: str, table: Any) -> None:
    assert list(table) == [answer.value for answer in KNOBS[knob].answers]


@pytest.mark.parametrize(
    ("knob", "tree", "message"),
    [
        ("alibi.form", {"alibi": {"form": "signd"}}, "alibi.form cannot be 'signd'"),
        ("causal", {"causal": "cache"}, "causal cannot be 'cache'"),  # of presets alone
        ("rope.interleaved", {"rope": {"interleaved": 3}}, "must be true or false"),
    ],
)
def test_a_knob_has_one_of_its_answers(knob: str, tree: Any, message: str) -> None:
    with pytest.raises(AttnError, match=message) as caught:
        Conventions.of(tree).read(knob)
    assert caught.value.path == KNOBS[knob].key


def test_a_key_that_holds_no_mapping_says_nothing_of_what_could_be_in_it() -> None:
    assert Conventions.of({"rope": "true", "alibi": [0.5]}).read("rope.interleaved") is False
    assert Conventions.of({"rope": "true", "alibi": [0.5]}).read("alibi.form") == "distance"


def test_the_raw_text_of_a_file_is_no_other_value() -> None:
    torch = Conventions.of({"like": "torch"})
    torch.write("mask_fill", {"value": "-inf", "how": "select"})
    assert torch.notes() == ()
    onnx = Conventions.of({"like": "onnx", "rope": {"interleaved": "false"}})
    assert onnx.read("rope.interleaved") is False
    assert onnx.notes() == ()


def of_preset(name: str, path: Any) -> Conventions:
    assert path == ("like",)
    return Conventions.of({"like": name})


@pytest.mark.parametrize("ask", [preset, of_preset])
def test_an_unknown_preset_names_the_nearest(ask: Any) -> None:
    with pytest.raises(AttnError) as caught:
        ask("flash-atn", path=("like",))
    assert caught.value.message == "unknown preset 'flash-atn'"
    assert caught.value.path == ("like",)
    assert caught.value.help is not None
    assert caught.value.help == "did you mean 'flash-attn'?"


@pytest.mark.parametrize("method", ["get", "read", "preset_sets"])
def test_an_unknown_knob_is_a_bug(method: str) -> None:
    for conventions in (Conventions.of({}), Conventions.of({"like": "torch"})):
        with pytest.raises(KeyError):
            getattr(conventions, method)("axis")
        with pytest.raises(KeyError):
            conventions.write("axis", "bhsd")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"),
        (0.25, "0.25"),
        (-0.0, "0"),
        (10000.0, "10000"),
        (-1e9, "-1e9"),
        (1e-7, "1e-7"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ([1, [2.5, "a"]], "[1, [2.5, a]]"),
        ({"value": "lowest", "how": "add"}, "{value: lowest, how: add}"),
    ],
)
def test_values_as_a_problem_file_has_them(value: Any, written: str) -> None:
    assert text(value) == written


def test_numbers_to_some_digits() -> None:
    assert text([2 / 3, -3.4028235e38, 5.0, 12345678.0], 4) == "[0.6667, -3.403e38, 5, 1.235e7]"

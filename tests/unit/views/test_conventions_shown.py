"""`attn conventions`: what it lists, explains and compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from attn_cli.conventions.examples import EXAMPLES
from attn_cli.conventions.knobs import KNOBS, text
from attn_cli.conventions.preset import Preset
from attn_cli.conventions.presets import PRESETS, preset
from attn_cli.dataclass import replace
from attn_cli.lab.preset_comparison import Differences, compare
from attn_cli.views import BOX, Style
from attn_cli.views.columns import columns
from attn_cli.views.conventions import json as as_json
from attn_cli.views.conventions import table
from tests.conftest import Attn, on_terminal


def by_name(problem: Mapping[str, Any], steps: tuple[str, ...]) -> dict[str, Any]:
    """Results that tell all presets apart, so that one example is enough."""
    return {step: [[len(problem["like"]), 0.5]] for step in steps}


def compared(*names: str) -> Differences:
    return compare([preset(name) for name in names], by_name)


def test_the_list_names_every_preset_and_every_value_of_every_knob(attn: Attn) -> None:
    ran = attn("conventions")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    for each in PRESETS.values():
        (line,) = [line for line in lines if line.startswith(f"{each.name} ")]
        assert line.split("   ", 1)[1].strip().startswith(each.title)
        assert line.endswith(each.version)
    for knob in KNOBS.values():
        own = "attn asks" if knob.default is None else f"attn: {text(knob.default)}"
        assert f"{knob.name}: {knob.question} ({own})" in lines
        for value, meaning in knob.values.items():
            assert any(line.startswith(f"  {value} ") and line.endswith(meaning) for line in lines)


@pytest.mark.parametrize("name", PRESETS)
def test_one_preset_with_values_meanings_notes_and_sources(name: str, attn: Attn) -> None:
    ran = attn("conventions", name)
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    each = PRESETS[name]
    assert lines[0] == f"{name}: {each.title}, {each.version}"
    for knob, value in each.settings.items():
        (line,) = [line for line in lines if line.startswith(f"{knob} ")]
        parts = [part.strip() for part in line.split("   ") if part]
        default = KNOBS[knob].default
        own = ["asks"] if default is None else [text(default)] if default != value else []
        assert parts == [knob, text(value), KNOBS[knob].meaning(value), *own]
    silent = ", ".join(knob for knob in KNOBS if knob not in each.settings)
    assert f"not set: {silent}" in lines
    assert [f"- {line}" for line in (*each.notes, *each.sources)] == [
        line for line in lines if line.startswith("- ")
    ]


def test_the_same_name_twice_is_one_preset(attn: Attn) -> None:
    assert attn("conventions", "jax", "jax") == attn("conventions", "jax")


def test_only_rows_that_differ_then_what_only_some_have() -> None:
    shown = compared("torch", "flash-attn", "onnx")
    rows = {row.knob.name: list(map(text, row.values.values())) for row in shown.differences}
    assert rows == {
        "mask.axes": [
            "[[query, key], [head, query, key]]",
            "[[batch, key]]",
            "[[query, key], [head, query, key]]",
        ],
        "causal": ["top-left", "bottom-right", "cache"],
        "scale_placement": ["scores", "query", "split"],
        "precision.scale": ["accumulate", "accumulate", "dtype"],
        "precision.scaled": ["at least float32", "at least float32", "dtype"],
        "precision.scores": ["at least float32", "at least float32", "dtype"],
        "precision.weighted_sum": ["at least float32", "at least float32", "dtype"],
        "axes": ["bhsd", "bshd", "bhsd"],
    }
    assert {row.knob.name: list(row.values) for row in shown.partial} == {
        "window": ["flash-attn", "onnx"],
        "order": ["flash-attn", "onnx"],
        "precision.softmax": ["onnx"],
        "rope.interleaved": ["flash-attn", "onnx"],
        "past.rotated": ["flash-attn", "onnx"],
        "alibi.slopes": ["flash-attn"],
        "alibi.form": ["flash-attn"],
    }
    lines = table.render(shown, Style()).splitlines()
    words = [line.split() for line in lines]
    assert ["causal", "top-left", "bottom-right", "cache"] in words
    assert ["alibi.form", "distance", "flash-attn"] in words
    for shared in ("mask.true_means", "mask_fill", "empty_rows", "grouping"):
        assert not any(line.startswith(shared) for line in lines)


def test_a_knob_that_one_of_them_lacks_still_differs_among_the_others() -> None:
    shown = compared("torch", "hf-eager", "jax")
    row = next(row for row in shown.differences if row.knob.name == "window")
    assert row.values == {"hf-eager": "keys", "jax": "both"}
    lines = table.render(shown, Style()).splitlines()
    line = next(line for line in lines if line.startswith("window "))
    assert line.split() == ["window", "-", "keys", "both"]
    assert not any("torch" in line for line in _block(lines, "window"))


def _block(lines: list[str], knob: str) -> list[str]:
    """The lines of the examples of a knob."""
    start = lines.index(f"{knob}: {KNOBS[knob].question}")
    rest = lines[start + 1 :]
    length = next((at for at, line in enumerate(rest) if line and line[0] != " "), len(rest))
    return rest[:length]


def test_each_difference_shows_its_example_with_the_result_under_each() -> None:
    lines = table.render(compared("torch", "flash-attn"), Style()).splitlines()
    block = [line.split() for line in _block(lines, "scale_placement") if line]
    assert block[0][:5] == ["query:", "[[3]],", "key:", "[[3],", "[9]],"]
    assert block[1] == ["like", "scale_placement", "scores"]
    assert block[3:] == [
        ["torch", "scores", "[[5,", "0.5]]"],
        ["flash-attn", "query", "[[10,", "0.5]]"],
    ]


def test_examples_are_asked_for_until_each_two_are_told_apart() -> None:
    """keys and band are the same for W = 1, keys and previous for W = 2."""
    asked: list[tuple[int, str]] = []
    left = {"keys": (0, 1), "previous": (1, 2), "band": (0, 1), "both": (1, 2)}
    right = {"keys": (0, 0), "previous": (0, 0), "band": (0, 1), "both": (1, 2)}

    def window(problem: Mapping[str, Any], steps: tuple[str, ...]) -> dict[str, Any]:
        if "window" not in problem:
            return by_name(problem, steps)
        name, size = problem["like"], problem["window"]
        asked.append((size, name))
        value = PRESETS[name].settings["window"]
        # Two tokens have nothing further away than 1.
        return {"weights": [min(left[value][size - 1], 1), min(right[value][size - 1], 1)]}

    def examples(*names: str) -> int:
        asked.clear()
        rows = compare([PRESETS[name] for name in names], window).differences
        return len(next(row for row in rows if row.knob.name == "window").examples)

    assert examples("hf-eager", "flash-attn") == 1
    assert asked == [(1, "hf-eager"), (1, "flash-attn")]
    assert examples("hf-eager", "keras") == 1  # the first, in which they agree, is not shown
    assert asked == [(1, "hf-eager"), (1, "keras"), (2, "hf-eager"), (2, "keras")]
    assert examples("hf-eager", "flash-attn", "keras", "jax") == 2


def test_presets_that_differ_in_nothing_both_have() -> None:
    def made(name: str, **settings: str) -> Preset:
        return Preset(name=name, title="t", version="1", settings=settings, sources=("s",))

    shown = compare([made("a", axes="bhsd"), made("b", axes="bhsd", causal="cache")], by_name)
    assert shown.differences == ()
    rendered = table.render(shown, Style())
    assert "They agree in every knob that at least two of them set.\n" in rendered
    assert "only some have   value   which\n" in rendered
    document = json.loads(as_json.render(shown, Style()))
    assert document["differences"] == []
    assert document["only_some"][0]["values"] == {"b": "cache"}


def test_json_of_the_list_and_of_one(attn: Attn) -> None:
    document = json.loads(attn("conventions", "--format", "json").out)
    assert (document["format"], document["command"]) == ("attn/1", "conventions")
    assert [each["name"] for each in document["presets"]] == list(PRESETS)
    fill = next(knob for knob in document["knobs"] if knob["name"] == "mask_fill")
    assert fill["default"] == {"value": "-inf", "how": "select"}
    assert len(fill["values"]) == len(KNOBS["mask_fill"].answers)

    document = json.loads(attn("conventions", "keras", "--format", "json").out)
    assert document["name"] == "keras"
    assert document["settings"]["mask_fill"] == {"value": -1e9, "how": "select"}
    assert set(document) == {
        "format", "command", "name", "title", "version", "settings", "notes", "sources",
    }  # fmt: skip


def test_json_of_a_comparison() -> None:
    document = json.loads(as_json.render(compared("torch", "onnx@1.21"), Style()))
    rows = {row["knob"]: row for row in document["differences"]}
    assert set(rows) == {
        "empty_rows", "scale_placement", "precision.scale", "precision.scaled", "precision.scores",
        "precision.weighted_sum",
    }  # fmt: skip
    row = rows["empty_rows"]
    assert row["values"] == {"torch": "zero", "onnx@1.21": "nan"}
    (example,) = row["examples"]
    assert example["problem"]["mask"] == [["-inf", "-inf"], [0, 0]]
    assert example["results"] == {
        "torch": {"weights": [[5, 0.5]]},
        "onnx@1.21": {"weights": [[9, 0.5]]},
    }
    assert {row["knob"] for row in document["only_some"]} == {
        "order", "precision.softmax", "rope.interleaved", "past.rotated",
    }  # fmt: skip


def test_digits_round_the_numbers_of_examples(attn: Attn) -> None:
    """Scores 0.2 (3 3) and 0.2 (3 9) in float16, with sqrt(0.2) on both sides."""
    command = ("conventions", "torch", "onnx")
    assert "[[1.8008, 5.3984]]" in attn(*command).out
    assert "[[1.801, 5.398]]" in attn(*command, "--digits", "3").out

    def scores(*options: str) -> list[list[float]]:
        rows = json.loads(attn(*command, "-f", "json", *options).out)["differences"]
        row = next(each for each in rows if each["knob"] == "scale_placement")
        return list(row["examples"][0]["results"]["onnx"]["scores"])

    assert scores() == [[1.80078125, 5.3984375]]
    assert scores("--digits", "3") == [[1.801, 5.398]]


def test_a_file_has_the_format_of_its_suffix(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for suffix, arguments in ((".txt", ()), (".json", ("--format", "json"))):
        ran = attn("conventions", "torch", "-o", f"out{suffix}")
        assert ran == (0, "", "")
        written = Path(f"out{suffix}").read_text(encoding="utf-8")
        assert written == attn("conventions", "torch", *arguments).out


@pytest.mark.parametrize("wide", [50, 80, 120])
@pytest.mark.parametrize("names", [(), ("flash-attn",), ("torch-mha",)])
def test_a_terminal_is_not_overrun(wide: int, names: tuple[str, ...]) -> None:
    ran = on_terminal("conventions", *names, columns=wide)
    assert (ran.status, ran.err) == (0, "")
    widest = max(map(len, ran.out.splitlines()))
    assert widest <= wide
    assert widest > wide * 0.8


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_comparison_of_many_comes_in_parts(width: int) -> None:
    lines = table.render(compared(*PRESETS), Style(width=width)).splitlines()
    assert max(map(len, lines)) <= width
    heads = [line.split()[1:] for line in lines if line.startswith("knob ")]
    assert len(heads) > 1
    assert [name for head in heads for name in head] == list(PRESETS)


def test_columns_that_fit_exactly_stand_beside_each_other() -> None:
    rows = [["a", "bb", "cc"], ["ddd", "eeeee", "fffffff"]]
    beside = ["a     bb      cc", BOX * 21, "ddd   eeeee   fffffff"]
    assert list(columns(rows, 21)) == list(columns(rows, None)) == beside
    parts = ["a     bb", BOX * 11, "ddd   eeeee", "", "a     cc", BOX * 13, "ddd   fffffff"]
    assert list(columns(rows, 20)) == parts
    assert list(columns([["a", "b"], ["c d", "e f g"]], 8)) == [
        "a    b", BOX * 8, "c    e f", "d    g",
    ]  # fmt: skip


def test_lines_are_dashes_where_nothing_else_can_be_shown() -> None:
    rendered = table.render(PRESETS["torch"], Style(ascii=True))
    assert rendered.isascii()
    assert "-----" in rendered


def test_every_example_has_a_knob_left_open() -> None:
    """What decides is a preset or the key itself, so no example may have it."""
    for name, examples in EXAMPLES.items():
        for example in examples:
            node: Any = example.problem
            for key in KNOBS[name].key[:-1]:
                node = node[key] if isinstance(node, Mapping) and key in node else {}
            last = KNOBS[name].key[-1]
            answered = isinstance(node, Mapping) and last in node
            assert not answered or name in {"causal", "window"}
            assert "like" not in example.problem


def test_a_preset_without_notes_has_no_heading_for_them() -> None:
    shown = table.render(replace(PRESETS["torch"], notes=()), Style())
    assert "\nNotes\n" in table.render(PRESETS["torch"], Style())
    assert "Notes" not in shown
    assert "\nSources\n" in shown

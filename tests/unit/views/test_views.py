"""The registry of views: help, errors and suffixes read the row of a format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml

from attn_cli import lists, record
from attn_cli.cli import deliver
from attn_cli.cli.app import COMMANDS
from attn_cli.cli.output import OutputOptions
from attn_cli.conventions import preset, presets
from attn_cli.lab import heat_map, preset_comparison, statistics, weights_graph, worksheet
from attn_cli.lab.answers import judgement, showing
from attn_cli.lab.derivation import result as derivation
from attn_cli.lab.differing import report as differing_report
from attn_cli.lab.differing import result as differing
from attn_cli.lab.identify import result as identification
from attn_cli.lab.report import result as report
from attn_cli.lab.verifying import verified
from attn_cli.maths.catalogue import catalogue
from attn_cli.views import VIEWS, View
from attn_cli.views.choices import margin
from docs._make.tables import commands_by_views
from tests.conftest import SAMPLES, Attn, on_terminal

ABOUT = {"help", "completion"}  # commands about the others: text alone
LOVE = str(SAMPLES / "love_coding.yaml")
# What the commands show: the type of each result, and the module that has it.
RESULTS = {
    "Record": record,
    "Graph": weights_graph,
    "Derivation": derivation,
    "HeatMap": heat_map,
    "Report": report,
    "Worksheet": worksheet,
    "DifferenceReport": differing_report,
    "Statistics": statistics,
    "Judged": judgement,
    "Graded": judgement,
    "Mistakes": showing,
    "Identified": identification,
    "Difference": differing,
    "Verified": verified,
    "Catalogue": presets,
    "Preset": preset,
    "Differences": preset_comparison,
    **dict.fromkeys(("Steps", "Functions", "Samples", "Sample"), lists),
}
PAGES = {"Report", "Worksheet", "DifferenceReport"}  # pages alone
# What commands need before their options.
FILES = {
    "translate": ["le"],
    "verify": ["kernel:attention", "--like", "torch"],
    **{
        key: [LOVE]
        for key in ("check", "compute", "graph", "stats", "explain", "heatmap", "identify")
    },
    **{key: [str(SAMPLES / "not_like.yaml")] for key in ("next", "train")},
}
WORDS = yaml.safe_load((SAMPLES / "not_like.yaml").read_text())["next_word"]["vocabulary"]
NAMES = View(
    name="names",
    accepts=("Record", "Steps"),
    module="tests.project.added.names",
    suffixes=(".nam", ".names"),
    options=("labels",),
)


@pytest.fixture
def names() -> Iterator[str]:
    """A new format of records and of the list of steps: one module, one row."""
    VIEWS.add(NAMES)
    yield NAMES.name
    VIEWS.remove(NAMES)


def test_a_view_that_is_removed_is_not_found() -> None:
    before = VIEWS.of(*NAMES.accepts)
    VIEWS.add(NAMES)
    assert VIEWS.of(*NAMES.accepts) != before
    VIEWS.remove(NAMES)
    assert VIEWS.of(*NAMES.accepts) == before


def test_a_margin_needs_a_second_best_and_a_number() -> None:
    for second, above in (("c", None), (None, 0.5), (None, None)):
        assert margin(record.Choice("a", "b", 0.75, second, above), 2) == "0.75"
    assert margin(record.Choice("a", "b", 0.75, "c", 0.0), 2) == "0.75, the same as 'c'"


def test_every_view_accepts_types_that_there_are() -> None:
    assert set(VIEWS.results) == set(RESULTS)
    for name, module in RESULTS.items():
        assert isinstance(getattr(module, name), type)


@pytest.mark.parametrize("result", sorted({*RESULTS} - PAGES))
def test_formats_and_suffixes_of_a_result_are_different(result: str) -> None:
    views = VIEWS.of(result).values()
    suffixes = [suffix for view in views for suffix in view.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert next(iter(views)).name in {"table", "text", "yaml"}  # for people, if nobody says which
    assert "json" in VIEWS.of(result)
    for view in views:
        module = import_module(view.module)
        assert callable(module.render)
        assert hasattr(module, "encoding") is view.streams


def test_every_command_offers_the_formats_that_accept_its_results(attn: Attn) -> None:
    found = commands_by_views().items()
    offered = {command: views for (views, _), commands in found for command in commands}
    assert set(offered) == set(COMMANDS) - ABOUT
    for command, views in offered.items():
        listed = ", ".join(view.name for view in views)
        shown = " ".join(attn(command, "--help").out.split())
        assert f"-f, --format FORMAT {'Of gradients: ' * (command == 'train')}{listed}." in shown
        assert "-o, --output" in shown
        assert "--color WHEN" in shown


def test_every_command_names_the_suffixes_that_it_writes(attn: Attn, tmp_path: Path) -> None:
    for (views, _), commands in commands_by_views().items():
        suffixes = ", ".join(suffix for view in views for suffix in view.suffixes)
        for command in commands:
            options = ["--show-gradients"] if command == "train" else []
            ran = attn(command, *FILES.get(command, []), "-o", tmp_path / "out.zzz", *options)
            assert (ran.status, ran.out) == (2, ""), command
            help_ = f"help: say it with --format, or use one of {suffixes}\n"
            assert ran.err.endswith(f"cannot be determined from its suffix\n{help_}"), command
    assert not list(tmp_path.iterdir())


def test_a_new_view_is_in_help(names: str, attn: Attn) -> None:
    for command in ("compute", "next", "translate", "train", "steps"):
        out = " ".join(attn(command, "--help").out.split())
        assert f", {names}." in out, command
    for command in ("graph", "conventions", "scores", "normalizers", "samples"):
        assert names not in attn(command, "--help").out, command
    assert "--labels" in attn("steps", "--help").out  # it is the first of steps to take it


def test_a_new_view_of_records(names: str, attn: Attn, tmp_path: Path) -> None:
    lines = "q\nweights\n"
    asked = ("compute", LOVE, "--show", "q,weights")
    ran = attn(*asked, "-f", names)
    assert (ran.status, ran.out, ran.err) == (0, lines, "")
    for suffix in NAMES.suffixes:
        out = tmp_path / f"out{suffix}"
        assert attn(*asked, "-o", out, "--labels").status == 0
        assert out.read_text() == "q!\nweights!\n"
    assert attn(*asked, "-f", names, "--digits", 3).err == (
        f"warning: --digits has no effect on the format {names}, but on: table, json, csv, tsv, "
        "markdown, latex, html\n"
    )
    labels = attn(*asked, "--labels").err
    assert labels == (
        f"warning: --labels has no effect on the format table, but on: csv, tsv, latex, {names}\n"
    )


def test_a_new_view_of_a_list(names: str, attn: Attn, tmp_path: Path) -> None:
    lines = "".join(f"{step.name}\n" for step in catalogue())
    assert attn("steps", "-f", names).out == lines
    out = tmp_path / "out.names"
    assert attn("steps", "-o", out).status == 0
    assert out.read_text() == lines
    assert attn("steps", "weights", "-f", names).out == "weights\n"


def test_a_new_view_is_in_errors(names: str, attn: Attn, tmp_path: Path) -> None:
    near = attn("compute", LOVE, "-f", "nmaes")
    assert (near.status, near.err) == (
        2, f"error: unknown format 'nmaes'\nhelp: did you mean '{names}'?\n",
    )  # fmt: skip
    far = attn("steps", "-f", "zzz")
    assert far.err == f"error: unknown format 'zzz'\nhelp: there are: table, json, {names}\n"
    for command in (("compute", LOVE), ("steps",)):
        ran = attn(*command, "-o", tmp_path / "out.zzz")
        assert ran.status == 2
        assert ran.err.endswith(".nam, .names\n")
        assert not (tmp_path / "out.zzz").exists()
    assert attn("graph", LOVE, "-f", names).err == (
        f"error: unknown format '{names}'\nhelp: there are: text, dot, mermaid, json, svg, png\n"
    )


def test_what_a_view_yields_is_escaped_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view may yield pieces of text or of bytes; text is escaped if a terminal shows it."""
    pieces = ["a\x1b", "b\n"]
    assert list(deliver.encoded(pieces, None)) == [b"a\x1b", b"b\n"]
    assert list(deliver.encoded([b"\0", b"\xff"], None)) == [b"\0", b"\xff"]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert list(deliver.encoded(pieces, None)) == [b"a\\x1b", b"b\n"]


class TestLists:
    """The commands that list: every one has --format, --output and JSON."""

    @pytest.mark.parametrize("command", ["scores", "normalizers", "steps", "samples"])
    def test_json(self, command: str, attn: Attn, tmp_path: Path) -> None:
        document = json.loads(attn(command, "-f", "json").out, parse_constant=pytest.fail)
        assert list(document) == ["format", "command", command]
        assert (document["format"], document["command"]) == ("attn/1", command)
        assert len(document[command]) > 5
        name = list(document[command])[2]
        out = tmp_path / "one.json"
        assert attn(command, name, "-o", out).status == 0
        assert list(json.loads(out.read_text())[command]) == [name]

    @pytest.mark.parametrize("command", ["scores", "normalizers", "steps", "samples"])
    def test_a_file_holds_what_is_printed(self, command: str, attn: Attn, tmp_path: Path) -> None:
        out = tmp_path / "out.txt"
        assert attn(command, "-o", out).status == 0
        assert out.read_text() == attn(command).out

    def test_a_score_function(self, attn: Attn) -> None:
        document = json.loads(attn("scores", "gated", "-f", "json").out)["scores"]["gated"]
        assert document["formula"] in attn("scores", "gated").out
        assert document["default"] is False
        assert {"name", "signature", "meaning", "optional"} == set(document["parameters"][0])
        assert document["written"].startswith("score: {function: gated, ")
        assert json.loads(attn("scores", "-f", "json").out)["scores"]["scaled"]["default"] is True

    def test_a_sample(self, attn: Attn, tmp_path: Path) -> None:
        text = Path(LOVE).read_text()
        assert attn("samples", "love_coding").out == text
        assert attn("samples", "love_coding", "-f", "yaml").out == text
        out = tmp_path / "mine.yaml"
        assert attn("samples", "love_coding", "-o", out).status == 0
        assert out.read_text() == text
        sample = json.loads(attn("samples", "love_coding", "-f", "json").out)["samples"]
        assert sample == {
            "love_coding": {"summary": text.splitlines()[0].lstrip("# "), "text": text}
        }

    def test_a_list_of_samples_is_not_yaml_and_a_sample_is_no_table(self, attn: Attn) -> None:
        assert attn("samples", "-f", "yaml").err == (
            "error: unknown format 'yaml'\nhelp: there are: table, json\n"
        )
        assert attn("samples", "bank", "-f", "table").err == (
            "error: unknown format 'table'\nhelp: there are: yaml, json\n"
        )

    def test_copy_goes_with_no_format(self, attn: Attn, tmp_path: Path) -> None:
        for option in (("-f", "table"), ("-o", tmp_path / "x.json")):
            ran = attn("samples", "--copy", tmp_path / "all", *option)
            assert ran.status == 2
            assert ran.err.startswith("error: --copy writes all samples as they are")
            assert not (tmp_path / "all").exists()


class TestDigits:
    """CSV and JSON are exact without --digits, and rounded with it, in every command."""

    SCORES = ((1.23456789, -2.34567891), (1e-7, 5.0))
    Q = "[[1.23456789, -2.34567891], [1e-7, 5]]"

    def options(self) -> tuple[str, ...]:
        return ("--query", self.Q, "--key", "[[1, 0], [0, 1]]", "--value", "[[1], [2]]")

    @pytest.mark.parametrize("delimiter", [",", "\t"])
    def test_separated(self, delimiter: str, attn: Attn) -> None:
        name = "csv" if delimiter == "," else "tsv"
        asked = ("compute", *self.options(), "--only", "q", "-f", name)
        exact = [
            [float(x) for x in line.split(delimiter)] for line in attn(*asked).out.splitlines()
        ]
        np.testing.assert_array_equal(exact, self.SCORES)
        assert attn(*asked, "--digits", 3).out.splitlines() == [
            delimiter.join(("1.235", "-2.346")), delimiter.join(("0.0", "5.0")),
        ]  # fmt: skip
        narrow = attn(*asked, "--digits", 3, "--dtype", "float32").out.splitlines()
        assert narrow[0].split(delimiter) == ["1.235", "-2.346"]

    def test_json(self, attn: Attn) -> None:
        asked = ("compute", *self.options(), "--only", "q", "-f", "json")
        exact, rounded = (json.loads(attn(*asked, *more).out) for more in ((), ("--digits", 3)))
        assert exact["steps"]["q"]["values"] == [list(row) for row in self.SCORES]
        assert rounded["steps"]["q"]["values"] == [[1.235, -2.346], [0.0, 5.0]]
        # settings are what the computation went by, not its results
        assert rounded["settings"] == exact["settings"]

    def test_json_of_choices(self, attn: Attn) -> None:
        asked = ("next", SAMPLES / "not_like.yaml", "not", "like", "-f", "json", "--only", "pooled")
        exact, rounded = (json.loads(attn(*asked, *more).out) for more in ((), ("--digits", 2)))
        (whole,), (short,) = exact["choices"], rounded["choices"]
        assert short["value"] == round(whole["value"], 2) != whole["value"]
        assert short["ranking"] == [[word, round(value, 2)] for word, value in whole["ranking"]]
        assert rounded["answer"] == exact["answer"]

    def test_json_of_a_graph(self, attn: Attn) -> None:
        asked = ("graph", LOVE, "-f", "json")
        exact, rounded = (json.loads(attn(*asked, *more).out) for more in ((), ("--digits", 2)))
        weights = [edge["weight"] for edge in exact["edges"]]
        assert [edge["weight"] for edge in rounded["edges"]] == [round(w, 2) for w in weights]
        assert any(round(w, 2) != w for w in weights)

    def test_infinities_stay_words(self, attn: Attn) -> None:
        asked = ("compute", LOVE, "--causal", "--only", "masked", "--digits", 1)
        assert (
            json.loads(attn(*asked, "-f", "json").out)["steps"]["masked"]["values"][0][1] == "-inf"
        )
        assert attn(*asked, "-f", "csv").out.splitlines()[0].split(",")[1] == "-inf"


class TestLabels:
    """JSON has the labels of every axis once, and those of a step only where they are others."""

    def document(self, attn: Attn, *arguments: object) -> dict[str, Any]:
        ran = attn(*arguments, "-f", "json")
        assert ran.status == 0, ran.err
        document: dict[str, Any] = json.loads(ran.out)
        for step in document["steps"].values():
            for axis, size in zip(step["axes"], step["shape"], strict=True):
                own = step.get("labels", {}).get(axis)
                assert len(document["labels"][axis]) >= size
                assert own is None or len(own) == size
        return document

    def test_words_of_the_next_word(self, attn: Attn) -> None:
        document = self.document(attn, "next", SAMPLES / "not_like.yaml", "not", "like")
        assert document["labels"]["word"] == WORDS
        logits = document["steps"]["logits"]
        assert logits["axes"] == ["word"]
        assert logits["shape"] == [len(document["labels"]["word"])]
        assert document["labels"]["query"] == ["not", "like"]

    def test_rows_that_are_asked_for(self, attn: Attn) -> None:
        document = self.document(attn, "compute", LOVE, "--query-token", "coding")
        assert document["labels"]["query"] == ["coding"]
        assert document["labels"]["key"] == ["I", "love", "coding"]
        assert not any("labels" in step for step in document["steps"].values())

    def test_dimensions_of_different_number_are_those_of_the_longest(
        self, attn: Attn, tmp_path: Path
    ) -> None:
        np.savez(tmp_path / "p.npz", q=np.ones((2, 5)), k=np.ones((3, 5)), v=np.ones((3, 7)))
        document = self.document(attn, "compute", tmp_path / "p.npz")
        assert document["labels"]["dimension"] == ["0", "1", "2", "3", "4", "5", "6"]
        assert document["labels"]["key"] == ["0", "1", "2"]
        assert not any("labels" in step for step in document["steps"].values())

    def test_new_keys_beside_a_past_have_their_own(self, attn: Attn, tmp_path: Path) -> None:
        path = tmp_path / "p.yaml"
        path.write_text(
            "query: [[[[1, 2]]]]\nkey: [[[[3, 5]]]]\nvalue: [[[[7]]]]\n"
            "past: {key: [[[[1, 1], [2, 0]]]], value: [[[[2], [3]]]]}\n"
        )
        document = self.document(attn, "compute", path)
        assert document["labels"]["key"] == ["0", "1", "2"]
        assert document["steps"]["k"]["labels"] == {"key": ["2"]}
        assert document["steps"]["v"]["labels"] == {"key": ["2"]}
        assert "labels" not in document["steps"]["scores"]

    def test_entries_with_words_of_their_own(self, attn: Attn, tmp_path: Path) -> None:
        np.savez(tmp_path / "p.npz", **{n: np.ones((2, 2, 3)) for n in "qkv"})  # type: ignore[arg-type]
        (tmp_path / "words.json").write_text('[["a", "b"], ["c", "d"]]')
        asked = ("compute", tmp_path / "p.npz", "--tokens-file", tmp_path / "words.json")
        every = self.document(attn, *asked)
        assert every["labels"]["batch"] == ["0", "1"]
        assert every["labels"]["query"] == ["0", "1"]  # no word is that of all entries
        one = self.document(attn, *asked, "--batch", 1)
        assert one["labels"]["query"] == one["labels"]["key"] == ["c", "d"]
        assert "batch" not in one["labels"]

    def test_sequences_have_each_their_own(self, attn: Attn) -> None:
        ran = attn("next", SAMPLES / "not_like.yaml", "--compare", "not like", "do", "-f", "json")
        labels = [json.loads(line)["labels"]["query"] for line in ran.out.splitlines()]
        assert labels == [["not", "like"], ["do"]]

    def test_translations_name_the_dimensions_by_words(self, attn: Attn) -> None:
        document = self.document(attn, "translate", "le", "chat")
        k, v = document["steps"]["k_transposed"], document["steps"]["v"]
        own = [step.get("labels", {}) for step in (k, v)]
        assert own[0] != own[1]  # French and English words
        assert document["labels"]["query"] == ["le", "chat"]


class TestColour:
    """--color auto, always, never; auto respects NO_COLOR and FORCE_COLOR."""

    ASKED = ("compute", LOVE, "--only", "weights")
    SHADES: ClassVar = {
        "TERM": "xterm-256color",
        "COLORTERM": "",
        "NO_COLOR": "",
        "FORCE_COLOR": "",
    }

    def piped(
        self, attn: Attn, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], *more: str
    ) -> str:
        for name, value in {**self.SHADES, **env}.items():
            monkeypatch.setenv(name, value)
        return attn(*self.ASKED, *more).out

    @pytest.mark.parametrize(
        ("env", "more", "coloured"),
        [
            ({}, (), False),
            ({}, ("--color", "always"), True),
            ({"NO_COLOR": "1"}, ("--color", "always"), True),
            ({"FORCE_COLOR": "1"}, (), True),
            ({"FORCE_COLOR": "1"}, ("--color", "auto"), True),
            ({"FORCE_COLOR": "1"}, ("--color", "never"), False),
            ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, (), False),
        ],
    )
    def test_in_a_pipe(
        self, env: dict[str, str], more: tuple[str, ...], coloured: bool,
        attn: Attn, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        out = self.piped(attn, monkeypatch, env, *more)
        assert ("\x1b[" in out) is coloured
        assert ("48;5;" in out) is coloured

    @pytest.mark.parametrize(
        ("env", "more", "coloured"),
        [
            ({}, (), True),
            ({}, ("--color", "never"), False),
            ({"NO_COLOR": "1"}, (), False),
            ({"NO_COLOR": "1"}, ("--color", "always"), True),
            ({"TERM": "dumb"}, (), False),
            ({"TERM": "dumb", "FORCE_COLOR": "1"}, (), True),
        ],
    )
    def test_on_a_terminal(
        self, env: dict[str, str], more: tuple[str, ...], coloured: bool
    ) -> None:
        out = on_terminal(*self.ASKED, *more, env={**self.SHADES, **env}).out
        assert ("\x1b[" in out) is coloured

    @pytest.mark.parametrize("term", ["xterm", "xterm-16color", "dumb", ""])
    def test_few_or_unknown_colours_are_no_shades(
        self, term: str, attn: Attn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = self.piped(attn, monkeypatch, {"TERM": term}, "--color", "always")
        assert "\x1b[1m" in out  # the title is bold
        assert not any(f"\x1b[{code}" in out for code in (30, 37, 40, 41, 42, 43, 44, 45, 46, 47))
        assert "48;" not in out

    def test_true_colours(self) -> None:
        env = {**self.SHADES, "COLORTERM": "truecolor"}
        assert "48;2;" in on_terminal(*self.ASKED, env=env).out

    def test_a_file_has_colours_only_if_they_are_asked_for(
        self, attn: Attn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.txt"
        self.piped(attn, monkeypatch, {"FORCE_COLOR": "1"}, "-o", str(out))
        assert "\x1b" not in out.read_text()
        self.piped(attn, monkeypatch, {}, "--color", "always", "-o", str(out))
        assert "\x1b[" in out.read_text()

    @pytest.mark.parametrize("command", sorted(set(COMMANDS) - ABOUT))
    def test_an_unknown_value_is_refused_by_every_command(self, command: str, attn: Attn) -> None:
        ran = attn(command, *FILES.get(command, []), "--color", "alwys")
        assert (ran.status, ran.out) == (2, "")
        assert ran.err == "error: --color cannot be 'alwys'\nhelp: did you mean 'always'?\n"


def test_options_of_gradients_belong_to_show_gradients(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "trained.yaml"
    for option in (("-f", "table"), ("--digits", 3), ("--verbose",), ("--color", "always")):
        ran = attn("train", SAMPLES / "not_like.yaml", "-o", out, *option)
        assert ran.status == 2
        assert ran.err.splitlines()[0].endswith(" belongs to --show-gradients")
        assert not out.exists()
    shown = attn("train", SAMPLES / "not_like.yaml", "--show-gradients", "--digits", 1).out
    assert shown != attn("train", SAMPLES / "not_like.yaml", "--show-gradients").out


def test_an_option_is_offered_only_if_a_view_takes_it() -> None:
    class Graphs(OutputOptions):
        results = ("Graph",)

    assert set(Graphs.offered()) == {"format", "output", "force", "digits", "quiet", "color"}
    assert {"full", "labels", "verbose"} <= set(OutputOptions.offered())

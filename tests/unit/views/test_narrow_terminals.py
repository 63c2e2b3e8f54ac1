"""Long words on a narrow terminal are shortened, so that no line is wider than it."""

from __future__ import annotations

from attn_cli import compute
from attn_cli.lab.derivation.choice import Asked
from attn_cli.lab.derivation.derive import derive
from attn_cli.lab.statistics import statistics
from attn_cli.maths import catalogue
from attn_cli.maths.problem import Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views import VIEWS, Style
from attn_cli.views.cells import cell_width
from attn_cli.views.heat_map.text import _words as words_of
from tests.conftest import SAMPLES
from tests.unit.lab.test_graph import graph_of

# The twelfth column of each is within an escape, or within a wide character.
LONG = ["seven77\x1b" + "L" * 40, "日本語" * 20, "x" * 300]
PROBLEM = {"tokens": LONG, "embeddings": [[1.0, 0.5], [0.25, 1.0], [0.75, 0.125]]}


def test_no_line_of_a_graph_or_of_statistics_is_wider_than_40_columns() -> None:
    problem = read_problem(from_mapping(PROBLEM))
    request = Request(steps=("weights",))
    shown = {
        "Graph": ("text", graph_of(PROBLEM)),
        "Statistics": ("table", statistics(problem, request, per_query=True)),
    }
    for kind, (view, result) in shown.items():
        text = VIEWS.of(kind)[view].render(result, Style(width=40))
        assert isinstance(text, str)
        wide = [line for line in text.splitlines() if cell_width(line) > 40]
        assert (kind, wide) == (kind, [])
        assert "seven77\\x1b..." in text or "seven77..." in text  # an escape is whole, or not there


def test_keys_are_below_symbols_that_leave_no_room_for_them() -> None:
    keys = {**PROBLEM, "normalize": "argmax", "tokens": list("abc")}
    derivation = derive(read_problem(from_mapping(keys)), Asked())
    text = VIEWS.of("Derivation")["text"].render(derivation, Style(width=80))
    assert isinstance(text, str)
    lines = text.splitlines()
    at = next(n for n, line in enumerate(lines) if "the largest score of the row" in line)
    assert lines[at].endswith("the first on a tie")
    assert lines[at + 1 : at + 4] == ["    a   1", "    b   0", "    c   0"]


def test_lists_of_functions_are_wrapped_and_lose_no_word() -> None:
    for listed in (catalogue.scores(None), catalogue.normalizers(None)):
        render = VIEWS.of("Functions")["table"].render
        narrow, wide = render(listed, Style(width=60)), render(listed, Style())
        assert isinstance(narrow, str)
        assert isinstance(wide, str)
        assert [line for line in narrow.splitlines() if cell_width(line) > 60] == []
        assert narrow.split() == wide.split()
        assert max(map(cell_width, wide.splitlines())) > 80


def test_a_digit_of_a_legend_is_on_the_line_of_its_sign() -> None:
    shown = words_of(
        [("0 = below 0.0043, 3 = from 0.0071, 9 = from 0.0328 to 0.0423", "")], ";", 30
    )
    assert [word for ((word, _),) in shown] == [
        "0 = below", "0.0043,", "3 = from", "0.0071,", "9 = from", "0.0328", "to", "0.0423;",
    ]  # fmt: skip


def test_an_answer_is_wrapped() -> None:
    record = compute(SAMPLES / "not_like.yaml", steps=["probabilities"])
    text = VIEWS.of("Record")["table"].render(record, Style(width=40))
    assert isinstance(text, str)
    assert [line for line in text.splitlines() if cell_width(line) > 40] == []
    assert "not like -> hate\n  0.9997, 0.9996 above 'like'\n" in text


def test_keys_stay_beside_symbols_while_their_arithmetic_fits() -> None:
    keys = {"tokens": ["river", "bank"], "embeddings": [[2, 0, 1], [1, 1, 0]], "score": "dot"}
    derivation = derive(read_problem(from_mapping(keys)), Asked())
    for width, beside in ((60, True), (44, False)):
        text = VIEWS.of("Derivation")["text"].render(derivation, Style(width=width))
        assert isinstance(text, str)
        line = next(line for line in text.splitlines() if "q.k" in line)
        assert (line.split()[2:3] == ["river"]) is beside, text
        assert [line for line in text.splitlines() if cell_width(line) > width] == []

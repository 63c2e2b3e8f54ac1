"""`attn explain`: its views, its options and its errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from attn_cli.lab.derivation.choice import Asked
from attn_cli.lab.derivation.derive import derive
from attn_cli.lab.derivation.result import Derivation
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views import VIEWS, Style
from attn_cli.views.cells import cell_width
from attn_cli.views.derivation.written import shown
from tests.conftest import Attn
from tests.helpers.latex import assert_whole

HEADS = "samples/two_heads.yaml"
LOVE = "samples/love_coding.yaml"
HOSTILE = ['"&<>', "a\x1b[31mb\n", "\u202eabc", "\u2028", "日本語の長い言葉", "😀", "x" * 300,
           r"\end{align*}", "$%#_^~{}", "`|*]", "-0.5"]  # fmt: skip


def derivation_of(keys: dict[str, Any], asked: Asked, step: str = "weights") -> Derivation:
    return derive(read_problem(from_mapping(keys)), asked, step)


def hostile() -> Derivation:
    """A row whose words may break any view."""
    n = len(HOSTILE)
    X = [[float(i % 3), float(i % 5) - 2, 1.25] for i in range(n)]
    words = {"next_word": {"vocabulary": HOSTILE[:3], "weights": [[1.0, -2.0, 3.0]] * 3}}
    return derivation_of(
        {"tokens": HOSTILE, "embeddings": X, "causal": True, **words},
        Asked(query=5),
        "probabilities",
    )


def rendered(derivation: Derivation, view: str, **style: Any) -> str:
    text = VIEWS.of("Derivation")[view].render(derivation, Style(**style))
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_lost(width: int) -> None:
    many = {"embeddings": [[n % 7 / 3.0, 5.25 - n] * 5 for n in range(20)]}
    for derivation in (
        hostile(),
        derivation_of(many, Asked(query=5)),
        derivation_of(many, Asked(query=5, key=3)),
        derivation_of({"embeddings": [[0.1, -20.5]] * 9, "score": "scaled"}, Asked(key=4)),
    ):
        lines = rendered(derivation, "text", width=width).splitlines()
        assert [line for line in lines if cell_width(line) > width] == []
        assert not any(line.endswith(" ") for line in lines)
    lines = rendered(derivation, "text", width=width).split()
    assert sorted(set(lines)) == sorted(set(rendered(derivation, "text", width=100_000).split()))


def test_hostile_words_are_text_in_every_view() -> None:
    derivation = hostile()
    for view in VIEWS.of("Derivation"):
        text = rendered(derivation, view, width=80)
        assert all(c.isprintable() for line in text.split("\n") for c in line), view
    assert_whole(rendered(derivation, "latex"))
    assert_whole(rendered(derivation, "latex", standalone=True))
    assert rendered(derivation, "latex").count(r"\end{align*}") == 1
    rows = [line for line in rendered(derivation, "markdown").splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    document = json.loads(rendered(derivation, "json"))
    assert document["format"] == "attn/1"


def test_words_that_look_like_slots_are_words() -> None:
    tokens = ["<key>", "<query>", "<n>"]
    keys = {"tokens": tokens, "embeddings": [[1.0, 2.0], [2.0, 1.0], [0.0, 1.0]]}
    text = rendered(derivation_of(keys, Asked(query=0, key=1)), "text")
    assert text.startswith("weights(<key>, <query>) = ")
    assert "q(<key>)" in text
    assert "k(<query>)" in text


def test_markdown_has_arithmetic_as_code_or_as_math() -> None:
    keys = {"embeddings": [[1.0, 2.0], [2.0, 1.0]], "score": "scaled"}
    derivation = derivation_of(keys, Asked(query=0, key=1))
    assert "- product: q.k, `1*2 + 2*1 = 4`\n" in rendered(derivation, "markdown")
    math = rendered(derivation, "markdown", math=True)
    assert r"- score: $\frac{4}{\sqrt{2}} = 2.8284$" in math
    assert "`" not in math


def test_long_lines_of_latex_are_broken_outside_brackets() -> None:
    keys = {
        "query": [[1 / 3 + n for n in range(8)]],
        "key": [[-1 / 7 - n for n in range(8)]],
        "value": [[1.0]],
    }
    latex = rendered(derivation_of(keys, Asked(query=0, key=0)), "latex")
    assert_whole(latex)
    assert re.search(
        r"q_\{\\text\{0\}\} \\cdot k_\{\\text\{0\}\} &= -?0\.3333.* \\\\\n  &\\quad [-+] ", latex
    )


def test_json_has_the_template_the_slots_and_the_result_of_each_line(attn: Attn) -> None:
    ran = attn("explain", HEADS, "--head", 0, "--query-token", "cat", "--key-token", "milk",
               "-f", "json")  # fmt: skip
    assert (ran.status, ran.err) == (0, "")
    document = json.loads(ran.out)
    assert list(document)[:4] == ["format", "command", "step", "formula"]
    assert (document["command"], document["step"]) == ("explain", "weights")
    assert document["index"] == {"head": 0, "query": 1, "key": 3}
    assert document["words"] == {"query": "cat", "key": "milk"}
    assert document["result"] == pytest.approx(0.4720964, abs=1e-7)
    by_step = {line["step"]: line for line in document["lines"] if line["kind"] != "row"}
    assert by_step["products"] == {
        "step": "products",
        "kind": "dot",
        "index": {"query": 1, "key": 3},
        "label": "product",
        "symbols": "q.k",
        "template": {"numbers": "<terms>", "term": "<q>*<k>"},
        "slots": {"q": [0.0, 2.0], "k": [0.0, 2.0]},
        "rest": None,
        "numbers": "0*0 + 2*2",
        "further": None,
        "result": 4.0,
        "note": None,
        "rounded": False,
    }
    weight = by_step["weights"]
    assert weight["numbers"] == "exp(2.8284) / (exp(0) + exp(2.8284) + exp(0) + exp(2.8284))"
    assert weight["further"] == "16.9188 / 35.8377"
    assert weight["result"] == document["result"]
    (row,) = (line for line in document["lines"] if line["kind"] == "row")
    assert [column["step"] for column in row["columns"]] == [
        "products", "scores", "exp_scores", "weights",
    ]  # fmt: skip
    assert (row["labels"], row["marked"]) == (["the", "cat", "drinks", "milk"], [3])
    assert row["columns"][-1]["total"] == pytest.approx(1, abs=1e-15)
    rounded = attn(
        "explain", HEADS, "--head", 0, "--query-token", "cat", "--digits", 2, "-f", "json"
    )
    assert "0.4721" not in rounded.out
    assert '"result": 0.47' in rounded.out


def test_infinities_are_strict_json(attn: Attn) -> None:
    ran = attn("explain", LOVE, "--causal", "true", "--query-token", "love", "--key-token",
               "coding", "-f", "json")  # fmt: skip
    lines = json.loads(ran.out, parse_constant=pytest.fail)["lines"]
    masked = next(line for line in lines if line["step"] == "masked")
    assert (masked["result"], masked["note"]) == ("-inf", "hidden by: causal")


def test_a_line_says_what_the_shown_numbers_do_not() -> None:
    exact = derivation_of(
        {"embeddings": [[1.0, 2.0], [2.0, 1.0]], "score": "dot"}, Asked(query=0), "scores"
    )
    assert "rounded" not in rendered(exact, "text")
    third = derivation_of(
        {"query": [[1 / 3] * 3], "key": [[1 / 3] * 3], "value": [[1.0]], "score": "dot"},
        Asked(query=0),
        "scores",
    )
    assert "0.3333*0.3333 + 0.3333*0.3333 + 0.3333*0.3333 = 0.3333" in rendered(third, "text")
    assert "rounded" not in rendered(third, "text")  # 0.33326667 is 0.3333 too
    assert "= 0.333333\n" in rendered(third, "text", digits=6)
    large = derivation_of(
        {"query": [[100 / 3] * 3], "key": [[100 / 3] * 3], "value": [[1.0]], "score": "dot"},
        Asked(query=0),
        "scores",
    )
    assert "(numbers shown are rounded; results are computed from all digits)" in rendered(
        large, "text"
    )
    half = derivation_of({"embeddings": [[1.0], [3.0]], "dtype": "float16"}, Asked(query=0))
    assert "(numbers are float16)" in rendered(half, "text")


def test_a_row_without_a_key_says_so(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "{tokens: [a, b], embeddings: [[1, 0], [0, 1]],"
        " mask: {values: [[true, true], [false, false]], true_means: attend}}"
    )
    ran = attn("explain", path, "--query-token", "b")
    assert ran.status == 0
    assert "0    b sees no key: weights are 0 (empty_rows: zero)\n" in ran.out
    assert "no key to attend to" in ran.err


def test_tokens_by_word_and_by_index(attn: Attn) -> None:
    by_word = attn("explain", "samples/bank.yaml", "--query-token", "river", "--key-token", 1)
    assert by_word.out.startswith("weights(river, bank (1)) = ")
    twice = attn("explain", "samples/bank.yaml", "--query-token", "bank")
    assert (twice.status, twice.out) == (2, "")
    assert twice.err == "error: 'bank' appears 2 times: at 1 and 3\nhelp: give its index\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--query-token", "lov"), "error: there is no query 'lov'\nhelp: did you mean 'love'? "),
        (("--key-token", "codin"), "error: there is no key 'codin'\nhelp: did you mean 'coding'? "),
        (("--key-token", "7"), "error: there is no key 7: there are 3, numbered from 0 to 2\n"),
        (("--only", "outptu"), "error: unknown step 'outptu'\nhelp: did you mean 'output'? "),
        (("--only", "probabilities"), "error: this problem has no step 'probabilities'\n"),
        (("--head", "1"), "error: --head 1: Q, K and V have no head axis\n"),
        (("-f", "csv"), "error: "),
    ],
)
def test_what_there_is_not(options: tuple[str, ...], message: str, attn: Attn) -> None:
    ran = attn("explain", LOVE, *options)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(message)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (3.0, "3"), (1e9, "1000000000"), (0.5, "0.5"), (-1.25, "-1.25"),
        (2 / 3, "0.6667"), (1e-7, "1.00e-07"), (1.5e20, "1.50e+20"), (5 - 4e-15, "5"),
        (float("inf"), "inf"), (float("nan"), "nan"), (1 - 1e-9, "1.0000"),
    ],
)  # fmt: skip
def test_numbers_for_people(x: float, text: str) -> None:
    assert shown(x, 4) == text


def test_words_of_blanks_are_quoted() -> None:
    keys = {"tokens": [" ", "  ", "a"], "embeddings": [[0.5, 1.0], [1.0, 0.25], [0.75, 3.0]]}
    lines = rendered(derivation_of(keys, Asked(query=0)), "text", width=80).splitlines()
    assert lines[0] == "weights(' ')"
    assert [line.split()[0] for line in lines if line.startswith("  k(")] == [
        "k('",
        "k('",
        "k(a)",
    ]
    row = lines[next(n for n, line in enumerate(lines) if "over the row of ' '" in line) + 2 :]
    assert [line[:8].strip() for line in row[:3]] == ["' '", "'  '", "a"]

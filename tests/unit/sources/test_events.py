"""The events of YAML: what is refused at any place, and the place that the error names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import yaml

from attn_cli import AttnError, compute
from attn_cli.sources.text.events import Quoted, parse
from tests.helpers.many import check_each

REFUSED = {
    "&a 1.5": "anchors and aliases are not read",
    "*a": "anchors and aliases are not read",
    "!!float 1.5": "the tag 'tag:yaml.org,2002:float' is not read",
    "! 1.5": "the tag '!' is not read",
    "&a [1.5]": "anchors and aliases are not read",
}
PLACES = {
    "x: {}\n": (1, 4),
    "x: [1, 2, {}, 4]\n": (1, 11),
    "x:\n  - 1\n  - [2, {}]\n": (3, 9),
    "x:\n- y: {}\n": (2, 6),
}


def test_what_is_refused_is_found_everywhere() -> None:
    def check(case: tuple[str, str]) -> None:
        written, place = case
        with pytest.raises(AttnError) as caught:
            parse(place.replace("{}", written), "p.yaml")
        where = caught.value.where
        assert where is not None
        assert (where.line, where.column) == PLACES[place]
        assert caught.value.message == REFUSED[written]

    check_each(product(REFUSED, PLACES), check)


def test_cells_among_other_items() -> None:
    tree = parse("x: [1, '2', [3, \"4\"], {y: 5}, 6]", "p.yaml")
    assert tree == {"x": ["1", "2", ["3", "4"], {"y": "5"}, "6"]}
    assert [type(item) for item in tree["x"][:2]] == [str, Quoted]
    assert [type(item) for item in tree["x"][2]] == [str, Quoted]


@pytest.mark.parametrize("text", ["x: [1, 2, 3", "x: [1, 2, 3}", "x: [1, 2, 'a]"])
def test_a_row_that_does_not_end(text: str) -> None:
    with pytest.raises(AttnError, match="not YAML"):
        parse(text, "p.yaml")


@pytest.fixture(params=["compiled", "plain"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The library's two parsers: their limits and their words are not the same."""
    if request.param == "plain":
        monkeypatch.delattr(yaml, "CSafeLoader")
    return str(request.param)


# Levels: the compiled parser has a limit of its own; the plain one has none, and is slow.
MANY = {"compiled": 3000, "plain": 200}


def deep_texts(n: int) -> dict[str, tuple[str, int, int]]:
    """Texts of n levels, and what is refused: the 17th level."""
    return {
        "brackets": ("x: " + "[" * n, 1, 19),
        "closed brackets": ("x: " + "[" * n + "1" + "]" * n, 1, 19),
        "JSON": ('{"x": ' + "[" * n + "]" * n + "}", 1, 22),
        "JSON mappings": ('{"x": ' * n, 1, 97),
        "braces": ("x: " + "{a: " * n, 1, 64),
        "lists of mappings": ("x: " + "[a: " * n, 1, 33),
        "items": ("x:\n" + "- " * n, 2, 31),
        "items at the top": ("- " * n, 1, 33),
        "items line by line": ("".join(f"{' ' * at}-\n" for at in range(300)), 17, 17),
        "keys line by line": ("".join(f"{' ' * at}a:\n" for at in range(300)), 17, 17),
        "brackets, then no YAML": ("x: " + "[" * 40 + '"', 1, 19),
        "brackets, then a control character": ("x: " + "[" * 40 + "\x01", 1, 19),
    }


def test_our_own_limit_of_depth_comes_first(library: str) -> None:
    texts = deep_texts(MANY[library])

    def check(form: str) -> None:
        text, line, column = texts[form]
        with pytest.raises(AttnError) as caught:
            parse(text, "p.yaml")
        where = caught.value.where
        assert where is not None
        assert caught.value.message == "nested more than 16 levels deep"
        assert (where.line, where.column) == (line, column)
        assert len(caught.value.path) == 16
        assert where.text == text.split("\n")[line - 1]

    check_each(texts, check)


@pytest.mark.parametrize("text", ["{", "[{", "? "])
def test_keys_that_are_none_come_before_any_depth(text: str, library: str) -> None:
    with pytest.raises(AttnError, match="a key must be a word"):
        parse(text * MANY[library], "p.yaml")


def deep(levels: int) -> Iterator[str]:
    yield "[" * levels + "1" + "]" * levels
    yield "{a: " * levels + "1" + "}" * levels
    yield "- " * levels + "1"


@pytest.mark.parametrize("form", range(3))
def test_sixteen_levels_are_read(form: int, library: str) -> None:
    node = parse(list(deep(16))[form], "p.yaml")
    for _ in range(16):
        (node,) = node.values() if isinstance(node, dict) else node
    assert node == "1"


def test_a_number_of_many_digits_is_no_limit_of_the_language() -> None:
    digits = "1" * 5000
    assert parse(f"x: {digits}", "p.yaml") == {"x": digits}


@pytest.mark.parametrize("text", ["{}: 1", "x: {{{}: 1}}", '{{"{}": 1}}', "x: 1\n{}: 2"])
def test_a_key_has_an_end(text: str, library: str) -> None:
    assert parse(text.format("k" * 1000), "p.yaml")
    with pytest.raises(AttnError, match="not YAML: a key has at most 1024 characters"):
        parse(text.format("k" * 1100), "p.yaml")


def nested(levels: int, kind: type) -> object:
    """Lists, tuples or mappings from Python, so many levels deep."""
    node: object = 1
    for _ in range(levels):
        node = {"a": node} if kind is dict else kind([node])
    return node


@pytest.mark.parametrize("kind", [list, tuple, dict])
@pytest.mark.parametrize("key", ["embeddings", "weights", "mask", "score"])
def test_problems_from_python_have_the_same_limit(key: str, kind: type) -> None:
    with pytest.raises(AttnError) as caught:
        compute({"embeddings": [[1.0]], key: nested(5000, kind)})
    refused = caught.value
    if kind is dict or key in {"embeddings", "mask"}:
        assert refused.message == "nested more than 16 levels deep"
        assert len(refused.path) == 16
    assert refused.path[0] == key


def test_a_number_from_python_that_is_too_long_for_a_word() -> None:
    with pytest.raises(AttnError, match=r"tokens\[0\] has too many digits for a word"):
        compute({"embeddings": [[1.0]], "tokens": [10**5000]})


@pytest.mark.regression("escapes were resolved in single quotes too")
def test_a_single_quoted_word_is_not_altered(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(r"tokens: ['\ud83d\ude00']" + "\nembeddings: [[1]]\n")
    assert list(compute(path).query_tokens) == [r"\ud83d\ude00"]


@pytest.mark.regression("the line end of a block scalar was part of the word")
def test_the_line_end_of_a_block_is_no_part_of_a_word(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("embeddings: [[1, 2]]\nscore: |\n  dot\ntokens:\n  - >\n    one\n")
    record = compute(path)
    assert record.settings["score"] == {"function": "dot"}
    assert list(record.query_tokens) == ["one"]


@pytest.mark.regression("columns behind CR, U+2028 and surrogate pairs were wrong")
@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("tokens: [a, b]\rembeddings: [[1, 0], [0, x]]\r", 2, 26),
        ("# a\u2028embeddings: [[1, 0], [0, x]]\n", 2, 26),
        (r'{"tokens": ["\ud83d\ude00"], "embeddings": [[1, x]]}', 1, 49),
    ],
)
def test_places_with_unusual_line_ends_and_escapes(
    text: str, line: int, column: int, tmp_path: Path
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(AttnError) as caught:
        compute(path)
    where = caught.value.where
    assert where is not None
    assert where.text is not None
    assert (where.line, where.column) == (line, column)
    assert where.text[column - 1] == "x"

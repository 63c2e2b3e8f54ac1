"""The events of YAML: what is refused wherever it stands, and where that is."""

from __future__ import annotations

import pytest

from attn_cli.errors import AttnError
from attn_cli.read.text.events import Quoted, parse

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


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("written", REFUSED)
def test_what_is_refused_is_found_everywhere(written: str, place: str) -> None:
    with pytest.raises(AttnError) as caught:
        parse(place.replace("{}", written), "p.yaml")
    where = caught.value.where
    assert where is not None
    assert (where.line, where.column) == PLACES[place]
    assert caught.value.message == REFUSED[written]


def test_cells_among_other_items() -> None:
    tree = parse("x: [1, '2', [3, \"4\"], {y: 5}, 6]", "p.yaml")
    assert tree == {"x": ["1", "2", ["3", "4"], {"y": "5"}, "6"]}
    assert [type(item) for item in tree["x"][:2]] == [str, Quoted]
    assert [type(item) for item in tree["x"][2]] == [str, Quoted]


@pytest.mark.parametrize("text", ["x: [1, 2, 3", "x: [1, 2, 3}", "x: [1, 2, 'a]"])
def test_a_row_that_does_not_end(text: str) -> None:
    with pytest.raises(AttnError, match="not YAML"):
        parse(text, "p.yaml")

"""What a terminal can show, from its environment."""

import pytest

from attn_cli.cli.terminal import colours_of, has_light_ground
from tests.conftest import Attn


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        ({}, 16),
        ({"TERM": "xterm"}, 16),
        ({"TERM": "linux"}, 16),
        ({"TERM": "dumb"}, 16),
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "tmux-256color"}, 256),
        ({"TERM": "xterm-kitty"}, 1 << 24),
        ({"TERM": "xterm-direct"}, 1 << 24),
        ({"TERM": "foot"}, 1 << 24),
        ({"TERM": "screen", "COLORTERM": "truecolor"}, 1 << 24),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, 1 << 24),
        ({"TERM": "xterm-256color", "COLORTERM": "yes"}, 256),
    ],
)
def test_how_many_colours(environment: dict[str, str], colours: int) -> None:
    assert colours_of(environment) == colours


@pytest.mark.parametrize(
    ("value", "light"),
    [("0;15", True), ("0;7", True), ("15;0", False), ("0;default;15", True), ("15;8", False),
     ("", False), ("15", True), ("nonsense", False)],
)  # fmt: skip
def test_the_ground_by_colorfgbg(value: str, light: bool) -> None:
    assert has_light_ground({"COLORFGBG": value}) is light


def test_without_colorfgbg_the_ground_is_dark() -> None:
    assert has_light_ground({}) is False


def test_a_ground_means_nothing_to_data(attn: Attn) -> None:
    result = attn("compute", "samples/love_coding.yaml", "--format", "json", "--dark")
    assert result.status == 0
    assert "--dark has no effect on the format json, but on: table" in result.err

"""The keys of a problem as data: who reads them, and a new one that says nothing but its name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from attn_cli import AttnError, compute, translate
from attn_cli.cli.keys import option_of, options
from attn_cli.cli.options import KeyOptions, ProblemOptions
from attn_cli.reading.keys import (
    ALWAYS,
    HIDING,
    KEYS,
    NEVER,
    NO_OPTION,
    OWN,
    UNLESS_LIST,
    YAML,
    Key,
)
from docs._make.tables import table_of_inner_keys, table_of_keys
from tests.conftest import Attn

Q = {"query": [[1, 0]], "key": [[1, 0], [0, 1]], "value": [[2], [3]]}
TRAINED = """\
embeddings: {a: [1, 0], b: [0, 1]}
next_word: {vocabulary: [x, y], weights: [[1, 0], [0, 2]]}
weights: {query: [[1, 0], [0, 1]]}
train: {examples: [[a b, x]], steps: 1}
"""


@pytest.fixture
def dummy(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key that has a name, a group and a meaning."""
    monkeypatch.setitem(KEYS, "dim_light", Key("dim_light", HIDING, "how dim | the light is"))
    return "dim_light"


def test_a_new_key_is_in_the_help(dummy: str, attn: Attn) -> None:
    lines = attn("compute", "--help").out.splitlines()
    entry = next(line for line in lines if line.startswith("    --dim-light"))
    assert entry.split(maxsplit=1)[1] == KEYS[dummy].meaning
    assert f"  {HIDING}:" in lines[: lines.index(entry)]


def test_a_new_key_is_an_option_with_a_value_in_yaml(dummy: str, attn: Attn) -> None:
    ran = attn("compute", "samples/love_coding.yaml", "--dim-light")
    assert ran.err == (
        "error: option '--dim-light' requires an argument\n"
        "help: dim_light: how dim | the light is\n"
    )
    ran = attn("compute", "samples/love_coding.yaml", "--dim-lihgt", "1")
    assert "Did you mean --dim-light?" in ran.err
    assert attn("compute", "samples/love_coding.yaml", "--dim-light", "1").status == 0
    assert dummy in KEYS


@pytest.mark.usefixtures("dummy")
def test_a_new_key_is_in_the_table_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    table_of_keys()
    rows = capsys.readouterr().out.splitlines()
    assert r"| `dim_light` | how dim \| the light is | `--dim-light` | no |" in rows
    assert [row.replace(r"\|", "").count("|") for row in rows] == [5] * len(rows)


def test_keys_inside_mappings_have_meanings_in_the_documentation(
    dummy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in KEYS.values():
        for meaning in key.inner.values():
            assert meaning, key.name
            assert not meaning.endswith("."), meaning
    inner = {"lamp": "a lamp | a candle"}
    monkeypatch.setitem(KEYS, dummy, Key(dummy, HIDING, "how dim the light is", inner=inner))
    table_of_inner_keys()
    assert r"| `dim_light.lamp` | a lamp \| a candle |" in capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("dummy")
def test_a_new_key_is_known_to_errors() -> None:
    with pytest.raises(AttnError, match="unknown key 'zzzz'") as error:
        compute({**Q, "zzzz": 1})
    assert ", dim_light" in str(error.value.help)
    with pytest.raises(AttnError, match="unknown key 'dim_lihgt'") as error:
        compute({**Q, "dim_lihgt": 1})
    assert error.value.help == "did you mean 'dim_light'?"


def test_train_refuses_a_new_key_that_says_nothing_of_learning(
    dummy: str, attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"{TRAINED}dim_light: 1\n")
    ran = attn("train", path, "--show-gradients")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: train has no gradient for dim_light\n")
    monkeypatch.setitem(KEYS, dummy, Key(dummy, HIDING, "", learnable=ALWAYS))
    assert attn("train", path, "--show-gradients").status == 0


def test_a_dictionary_refuses_a_new_key_in_its_context(
    dummy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dictionary: dict[str, Any] = {
        "pairs": {"le": "the"},
        "embeddings": {"le": [1, 0]},
        "context": {"dim_light": 1},
    }
    with pytest.raises(AttnError, match="unknown key 'dim_light' in context") as error:
        translate("le", dictionary, context=True)
    assert "dim_light" not in str(error.value.help)
    monkeypatch.setitem(KEYS, dummy, Key(dummy, HIDING, "", in_context=True))
    assert translate("le", dictionary, context=True).answer == ["the"]


def test_a_new_key_that_uses_positions_is_named_by_warnings(
    dummy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dummy not in compute({**Q, "offset": 1}).warnings[0]
    monkeypatch.setitem(KEYS, dummy, Key(dummy, HIDING, "", uses_positions=True))
    assert compute({**Q, "offset": 1}).warnings[0].endswith(", window or dim_light can")


def test_every_key_is_filed_under_its_name_and_its_group() -> None:
    groups = [key.group for key in KEYS.values()]
    assert [name for name, key in KEYS.items() if name != key.name] == []
    assert groups == sorted(groups, key=groups.index)  # those of a group are together
    for key in KEYS.values():
        assert key.learnable in (ALWAYS, NEVER, UNLESS_LIST)
        assert len(key.meaning) <= 88
        assert not key.meaning.endswith(".")


def test_options_of_their_own_are_those_that_commands_define() -> None:
    own = {name for name, key in KEYS.items() if key.option == OWN}
    defined = set(vars(KeyOptions())) | set(vars(ProblemOptions()))
    assert own == defined & set(KEYS)
    assert {key.option for key in KEYS.values()} == {OWN, YAML, NO_OPTION}


def test_no_key_without_an_option_is_taken_by_a_command(attn: Attn) -> None:
    for name in (name for name, key in KEYS.items() if key.option == NO_OPTION):
        assert option_of(name) not in options()
        if name != "memory":  # --memory is a limit
            assert f"{option_of(name)} " not in attn("compute", "--help").out
            assert attn("compute", option_of(name), "1").status == 2


def test_keys_are_data_without_numpy() -> None:
    import attn_cli.reading.keys as module

    assert "import numpy" not in inspect.getsource(module)

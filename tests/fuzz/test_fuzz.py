"""The fuzzers themselves: a few inputs of each, and faults that are planted and must be found."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from attn_cli.errors import AttnError, Where
from attn_cli.reading.keys import KEYS
from attn_cli.sources.text.events import parse
from tests.fuzz import corpus, mutate
from tests.fuzz.drawn import Laws, names_of_tests
from tests.fuzz.hunt import Hunt, drawn, hunt
from tests.fuzz.judge import fault, limited
from tests.fuzz.readers import READERS, Reader
from tests.helpers.processes import program, run_to_end

pytestmark = pytest.mark.slow

SEED = 20261126


def hunted(reader: Reader, folder: Path, inputs: int, limit: float = 5.0) -> Hunt:
    return hunt(
        reader,
        SEED,
        until=lambda found: found.inputs == inputs,
        folder=folder,
        numbers=itertools.count(),
        limit=limit,
    )


@pytest.mark.parametrize("name", READERS)
def test_a_few_inputs_of_every_reader(name: str, tmp_path: Path) -> None:
    inputs = 20 if name == "command" else 50
    found = hunted(READERS[name], tmp_path, inputs)
    reports = [path.with_suffix(".txt").read_text() for path in found.findings.values()]
    assert not reports, reports[0]
    assert found.inputs == inputs


@pytest.mark.parametrize("name", READERS)
def test_the_same_seed_draws_the_same_inputs(name: str) -> None:
    draw = [drawn(READERS[name], 7, number) for number in range(30)]
    assert draw == [drawn(READERS[name], 7, number) for number in range(30)]
    assert draw != [drawn(READERS[name], 8, number) for number in range(30)]
    assert len(set(draw)) > 20


def test_every_key_is_in_the_corpus() -> None:
    named = {key for tree in corpus.trees() for key in tree}
    assert named == set(KEYS)


@pytest.mark.parametrize("text", corpus.PROBLEMS)
def test_the_corpus_is_valid(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutations of what is refused at once would try little."""
    monkeypatch.chdir(tmp_path)
    if "x.npy" not in text:
        READERS["yaml"].read(text.encode())


@pytest.mark.parametrize(
    ("name", "kind"),
    [("train", "trained"), ("dictionary", "dictionaries"), ("vectors", "vectors")],
)
def test_so_are_the_other_texts(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    READERS[name].read(corpus.texts(kind)[0])


def test_a_tree_is_written_as_it_is() -> None:
    for tree in corpus.trees():
        assert parse(mutate.written(tree), "p.yaml") == tree


def fails(_: bytes) -> None:
    raise ValueError("no AttnError")


def hangs(_: bytes) -> None:
    while True:
        pass


def writes(_: bytes) -> None:
    Path("left.txt").write_text("x")


def eats(_: bytes) -> None:
    raise MemoryError


def warns(_: bytes) -> None:
    import warnings

    warnings.warn("an overflow", RuntimeWarning, stacklevel=1)


def leaves(_: bytes) -> None:
    sys.exit(3)


def says(message: str, where: Where | None = None) -> Callable[[bytes], None]:
    def read(_: bytes) -> None:
        error = AttnError("")
        error.message, error.where = message, where
        raise error

    return read


class RawError(AttnError):
    """An error whose text is not made printable."""

    def report(self, columns: int | None = None) -> str:
        return self.message


def colours(_: bytes) -> None:
    raise RawError("\x1b[31mred", where=Where("x"))


def goes_on(_: bytes) -> None:
    raise RawError("a" * 30_000, where=Where("x"))


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (fails, "ValueError"),
        (hangs, "Hang"),
        (writes, "a file was written"),
        (eats, "MemoryError"),
        (warns, "RuntimeWarning"),
        (leaves, "SystemExit"),
        (colours, "a message with control characters"),
        (says("", Where("x")), "an empty message"),
        (says("wrong"), "no place"),
        (goes_on, "a message that is too long"),
        (says("<ast.Call object at 0x7f6fb05c4250>", Where("x")), "a message of Python's"),
    ],
)
def test_every_kind_of_fault_is_found(
    read: Callable[[bytes], None], kind: str, tmp_path: Path
) -> None:
    def only_with_a_7(data: bytes) -> None:
        if b"7" in data:
            read(data)

    def draw(random: Random) -> bytes:
        return b"0123456789 "[:: random.choice((1, -1))] * random.choice((1, 2))

    planted = Reader("planted", draw, only_with_a_7, ("x.txt",))
    found = hunted(planted, tmp_path / "findings", 3, limit=0.01 if read is hangs else 0.1)
    (path,) = found.findings.values()
    (name,) = found.findings
    assert name.startswith(kind)
    assert path.read_bytes() == b"7"
    report = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert report.startswith(f"{name}\nreader planted, seed {SEED}, input 0\n")
    assert b"7" in path.with_suffix(".whole").read_bytes()


def test_what_is_refused_with_a_place_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fault(says("wrong", Where("p.yaml", 1, 1, "x")), b"", ()) is None
    assert fault(says("p.yaml is wrong"), b"", ("p.yaml",)) is None
    assert fault(lambda _: None, b"", ()) is None


def test_the_limit_ends_with_its_input() -> None:
    with limited(0.05):
        pass
    for _ in range(3_000_000):
        pass


def test_the_laws_are_those_of_hypothesis() -> None:
    file = "tests/unit/views/test_tex.py"  # one law, and tests of examples
    assert names_of_tests(file) == [f"{file}::test_words_are_text_and_nothing_acts"]


def test_what_the_laws_counted_is_one_line() -> None:
    assert Laws(tests=3, examples=70, seconds=7.0).line.split()[:2] == ["Hypothesis", "70"]


AS_MODULE = "import runpy; runpy.run_module('tests.fuzz', run_name='__main__')"


def fuzz(*arguments: str) -> tuple[int, list[str]]:
    done = run_to_end(["fuzz", *arguments], run=program(AS_MODULE))
    assert done.stderr == b""
    return done.returncode, done.stdout.decode().splitlines()


def test_the_command_prints_counts_and_rates(tmp_path: Path) -> None:
    wanted = ("--only", "csv", "--only", "options", "--inputs", "7", "--seed", "5")
    status, (first, csv, options, last) = fuzz(*wanted, "--findings", str(tmp_path))
    assert (status, first, last) == (0, "seed 5", "14 inputs, 0 findings, seed 5")
    assert csv.split()[:3] == ["csv", "7", "inputs"]
    assert options.split()[4:6] == ["a", "second"]


def test_one_input_can_be_read_again(tmp_path: Path) -> None:
    again = ("--only", "npz", "--number", "3", "--seed", "5", "--findings", str(tmp_path))
    assert fuzz(*again)[1][-1] == "1 inputs, 0 findings, seed 5"

"""Errors name arguments as their reader has them: as options, or as keywords in Python."""

from __future__ import annotations

import ast
import os
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from attn_cli import AttnError, compute, translate
from attn_cli.errors import argument, either, for_both
from tests.conftest import Attn
from tests.project.test_house import PACKAGE

ONE = {"query": [[1.0]], "key": [[1.0]], "value": [[1.0]]}
TWO_ENTRIES = {name: [matrix, matrix] for name, matrix in ONE.items()}
ON_TWO = ["--query", "two.npy", "--key", "two.npy", "--value", "two.npy"]
ON_ONE = ["--query", "[[1]]", "--key", "[[1]]", "--value", "[[1]]"]
LARGE = {name: np.zeros((2048, 8)) for name in ONE}
ON_LARGE = ["--query", "large.npy", "--key", "large.npy", "--value", "large.npy"]
MANY = {name: np.zeros((1, 257, 1, 1)) for name in ONE}
ON_MANY = ["--query", "many.npy", "--key", "many.npy", "--value", "many.npy"]
WIDE = {**ONE, "key": [[1.0]] * 17, "value": [[1.0]] * 17}
ON_WIDE = ["--query", "[[1]]", "--key", "wide.npy", "--value", "wide.npy"]
DICTIONARY = {"pairs": {"le": "the"}}


class Case(NamedTuple):
    """One error: the module whose text names an argument, and what each reader gets."""

    module: str
    call: Callable[[], Any]
    python: str
    command: list[str]
    command_line: str


def of_a_pipe(name: str) -> Callable[[], Any]:
    def call() -> Any:
        with writing(name):
            return compute(name, memory_limit=100)

    return call


class writing:  # noqa: N801
    """Write more into a pipe than anybody reads."""

    def __init__(self, name: str) -> None:
        os.mkfifo(name)
        self.thread = threading.Thread(target=self.write, args=(name,), daemon=True)

    @staticmethod
    def write(name: str) -> None:
        try:
            with Path(name).open("wb") as pipe:
                pipe.write(b"#" * 2**22)
        except BrokenPipeError:
            pass

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.thread.join(10)


CASES = {
    "a batch entry without batch": Case(
        "engine.plan",
        lambda: compute(ONE, batch=5),
        "batch 5: Q, K and V have no batch axis\n"
        "help: batch chooses along the first of 3 or 4 axes",
        ["compute", *ON_ONE, "--batch", "5"],
        "--batch 5: Q, K and V have no batch axis\n"
        "help: --batch chooses along the first of 3 or 4 axes",
    ),
    "a head without heads": Case(
        "engine.plan",
        lambda: compute(ONE, head=5),
        "head 5: Q, K and V have no head axis\n"
        "help: heads: 2 splits the features among heads; of 4 axes the second is heads",
        ["compute", *ON_ONE, "--head", "5"],
        "--head 5: Q, K and V have no head axis\n"
        "help: heads: 2 splits the features among heads; of 4 axes the second is heads",
    ),
    "a batch entry too far": Case(
        "engine.plan",
        lambda: compute(TWO_ENTRIES, batch=5),
        "batch 5 is out of range: there are 2, numbered from 0 to 1",
        ["compute", *ON_TWO, "--batch", "5"],
        "--batch 5 is out of range: there are 2, numbered from 0 to 1",
    ),
    "steps too large": Case(
        "engine.plan",
        lambda: compute(LARGE, steps="weights", memory_limit=1000),
        "help: request fewer steps (steps='output') or rows (query_token), or allow more: "
        "memory_limit",
        ["compute", *ON_LARGE, "--only", "weights", "--memory", "1000", "--full"],
        "help: request fewer steps (--only output) or rows (--query-token), or allow more: "
        "--memory",
    ),
    "tiles too large": Case(
        "engine.tiles",
        lambda: compute(LARGE, steps="output", memory_limit=200_000, tile=(2048, 2048)),
        "help: make them smaller, such as tile='512x512', or allow more: memory_limit",
        [
            "compute",
            *ON_LARGE,
            "--only",
            "output",
            "--memory",
            "200000",
            "--tile",
            "2048",
            "-o",
            "o.npy",
        ],
        "help: make them smaller, such as --tile 512x512, or allow more: --memory",
    ),
    "no problem": Case(
        "reading.schema",
        lambda: compute({}),
        "there is no problem\nhelp: give a problem file, or query, key and value",
        ["compute"],
        "there is no problem\nhelp: give a problem file, or --query, --key, --value; "
        "to try one: attn samples love_coding | attn compute -",
    ),
    "several sequences": Case(
        "reading.schema",
        lambda: compute({**ONE, "sequences": ["a"]}),
        "help: replace sequences by the tokens of one: tokens='not like'",
        ["graph", "sequences.yaml"],
        "help: replace sequences by the tokens of one: --tokens 'not like'",
    ),
    "a text of another number of words": Case(
        "reading.labels",
        lambda: compute({**ONE, "tokens": "le chat"}),
        "or a file with one token per line: tokens: {file: FILE}",
        ["compute", *ON_ONE, "--tokens", "le chat"],
        "or a file with one token per line: --tokens-file FILE",
    ),
    "a dictionary": Case(
        "reading.schema",
        lambda: compute(DICTIONARY),
        "help: attn_cli.translate(words, dictionary) translates with it",
        ["compute", "dictionary.yaml"],
        "help: attn translate --dictionary FILE WORDS translates with it",
    ),
    "a result": Case(
        "reading.schema",
        lambda: compute({"format": "attn/1", "command": "compute"}),
        "help: give the problem file that it is of, or a result in NPZ",
        ["compute", "result.json"],
        "help: give the problem file that it is of, or a result in NPZ: -o result.npz",
    ),
    "a matrix for a problem": Case(
        "sources.matrices.document",
        lambda: compute("two.npy"),
        "help: say which: {'query': 'two.npy', 'key': 'k.npy', 'value': 'v.npy'}",
        ["compute", "two.npy"],
        "help: say which: --query two.npy --key k.npy --value v.npy",
    ),
    "a pipe without an end": Case(
        "sources.matrices.files",
        of_a_pipe("python.pipe"),
        "help: put it into a file, or allow more memory: memory_limit=BYTES",
        ["compute", "line.pipe", "--memory", "100"],
        "help: put it into a file, or allow more memory: --memory SIZE, or ATTN_MEMORY in the "
        "environment",
    ),
    "a list as the name of a file": Case(
        "sources.matrices.files",
        lambda: compute("[[1,"),
        "help: a text names a file: give the list itself",
        ["compute", "[[1,"],
        "help: put a list in quotes, which keep it together: --query '[[1, 0]]'",
    ),
    "the name of a sample": Case(
        "sources.matrices.files",
        lambda: compute("love_coding.yaml"),
        "help: it is a sample that is shipped: attn samples love_coding prints it",
        ["compute", "love_coding.yaml"],
        "help: it is a sample that is shipped: attn samples love_coding | attn compute -",
    ),
    "a method without embeddings": Case(
        "language.space",
        lambda: translate("le", DICTIONARY, method="embeddings"),
        "help: add embeddings: {word: [...]}, or use method='one-hot'",
        ["translate", "--dictionary", "dictionary.yaml", "--method", "embeddings", "le"],
        "help: add embeddings: {word: [...]}, or use --embeddings FILE or --method one-hot",
    ),
    "an unknown word": Case(
        "language.space",
        lambda: translate("chat", DICTIONARY),
        "or let it pass: unknown='skip', unknown='keep'",
        ["translate", "--dictionary", "dictionary.yaml", "chat"],
        "or let it pass: --unknown skip, --unknown keep",
    ),
    "a method that there is not": Case(
        "language.methods",
        lambda: translate("le", DICTIONARY, method="nearest"),
        "method cannot be 'nearest'\nhelp: it can be: one-hot, embeddings, softmax",
        ["translate", "--dictionary", "dictionary.yaml", "--method", "nearest", "le"],
        "--method cannot be 'nearest'\nhelp: it can be: one-hot, embeddings, softmax",
    ),
    "what unknown words cannot do": Case(
        "language.methods",
        lambda: translate("le", DICTIONARY, unknown="kep"),
        "unknown cannot be 'kep'\nhelp: did you mean 'keep'?",
        ["translate", "--dictionary", "dictionary.yaml", "--unknown", "kep", "le"],
        "--unknown cannot be 'kep'\nhelp: did you mean 'keep'?",
    ),
    "a page too small": Case(
        "views.html.shell",
        lambda: compute(ONE).save("x.html", max_size=1000),
        "and 1000 are allowed\nhelp: allow more: max_size='",
        ["compute", *ON_ONE, "-o", "x.html", "--max-size", "1kB"],
        "and 1000 are allowed\nhelp: allow more: --max-size ",
    ),
    "columns that LaTeX has no room for": Case(
        "views.latex",
        lambda: compute(WIDE, steps="weights").save("x.tex"),
        "help: full=True writes all of them; there is room in a picture or a file of numbers: "
        'save("weights.svg", step="weights")',
        ["compute", *ON_WIDE, "--only", "weights", "-o", "x.tex"],
        "help: --full writes all of them; there is room in a picture or a file of numbers: "
        "attn heatmap FILE --only weights -o weights.svg",
    ),
    "heads that a picture has no room for": Case(
        "views.heat_map.svg",
        lambda: compute(MANY).save("x.svg"),
        "help: choose some with heads=[0, 3] and one batch entry with batch=N",
        ["heatmap", *ON_MANY, "-o", "x.svg"],
        "help: choose some with --head 0,3 and one batch entry with --batch N",
    ),
    "a context that is not there": Case(
        "language.space",
        lambda: translate("le", DICTIONARY, context=True),
        "context needs a dictionary with context",
        ["translate", "--dictionary", "dictionary.yaml", "--context", "le"],
        "--context needs a dictionary with context",
    ),
}
# These fail on the command line alone: what an output replaces, and how it is written.
ON_THE_COMMAND_LINE_ALONE = {
    "sources.matrices.files", "engine.stream", "views.csv", "lab.drawing", "lab.heat_map",
    "lab.problem_drawing", "lab.result_drawing", "reading.results", "lab.differing.inputs",
    "lab.differing.names", "lab.differing.sides", "lab.report.large", "lab.report.size",
    "lab.differing.report_size",
}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("two.npy", np.ones((2, 1, 1)))
    np.save("large.npy", LARGE["query"])
    np.save("many.npy", MANY["query"])
    np.save("wide.npy", WIDE["key"])
    Path("sequences.yaml").write_text("embeddings: {a: [1]}\nsequences: [a]\n")
    Path("dictionary.yaml").write_text("pairs: {le: the}\n")
    Path("result.json").write_text('{"format": "attn/1", "command": "compute"}')
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_each_reader_gets_what_it_has(name: str, files: Path, attn: Attn) -> None:
    case = CASES[name]
    with pytest.raises(AttnError) as caught:
        case.call()
    error = caught.value
    assert case.python in f"{error}\n"
    assert f"{error.message}\n" in f"{error}\n"
    assert not re.search(r"(?<!\w)--\w", str(error)), "an option"
    pipe = case.command[1] if "line.pipe" in case.command else None
    if pipe is None:
        ran = attn(*case.command)
    else:
        with writing(pipe):
            ran = attn(*case.command)
    assert ran.status == 2
    end = "" if case.command_line.endswith(" ") else "\n"  # else a size follows
    assert f"{case.command_line}{end}" in ran.err.removeprefix("error: ")


def test_what_only_the_command_line_can_ask(files: Path, attn: Attn) -> None:
    ran = attn("compute", "sequences.yaml", "-o", "sequences.yaml", "-f", "table")
    assert ran.err == (
        "error: -o sequences.yaml would replace a file that is read: sequences.yaml\n"
        "help: write to another file, or add --force if it is to be replaced\n"
    )
    ran = attn("compute", *ON_LARGE, "--only", "weights", "--memory", "1000", "-o", "o.npy")
    assert ran.err.endswith("allowed\nhelp: allow more: --memory\n")
    ran = attn("compute", *ON_TWO, "--only", "weights", "-f", "csv")
    assert "help: choose one entry with --batch and --head, or write it as npy\n" in ran.err


def test_json_is_of_the_command_line(files: Path, attn: Attn) -> None:
    ran = attn("compute", *ON_ONE, "--batch", "5", "-f", "json")
    assert '"message": "--batch 5: Q, K and V have no batch axis"' in ran.out
    assert '"help": "--batch chooses along the first of 3 or 4 axes"' in ran.out


def test_errors_that_are_raised_again_or_pickled_keep_both() -> None:
    error = AttnError(f"{argument('batch')} 5", help=f"write {argument('batch', '2')}")
    again = AttnError(error.message, help=error.help)
    composed = AttnError(f"in it: {for_both(error.message)}")
    assert composed.message == "in it: batch 5"
    assert composed.report() == "error: in it: --batch 5"
    for each in (error, again, pickle.loads(pickle.dumps(again))):
        assert str(each) == "batch 5\nhelp: write batch=2"
        assert each.report() == "error: --batch 5\nhelp: write --batch 2"


@pytest.mark.parametrize(
    "text", ["\ue000", "\ue000a", "\ue000a\ue002", "\ue000a\ue001b", "\ue002\ue001"]
)
def test_what_somebody_writes_is_no_argument(text: str) -> None:
    error = AttnError(f"'{text}' is unknown: {argument('batch')}")
    assert error.message.endswith("' is unknown: batch")
    assert error.report().endswith("' is unknown: --batch")
    assert either("x", "y") not in error.report()


def modules(*texts: str, without: str = "cli.") -> Iterator[tuple[str, ast.Module]]:
    """Modules in whose text one of these is, except those of a room."""
    for file in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        if not name.startswith(("cli.", without)) and name != "errors":
            source = file.read_text()
            if any(text in source for text in texts):
                yield name, ast.parse(source)


def calls(tree: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("argument", "either")
    ]


def test_each_module_that_names_an_argument_has_a_case() -> None:
    named = {name for name, tree in modules("argument(", "either(") if calls(tree)}
    assert named == {case.module for case in CASES.values()} | ON_THE_COMMAND_LINE_ALONE


def test_no_other_text_names_an_option() -> None:
    """Docstrings and comments aside, and views, which the command line alone shows."""
    found = set()
    for name, tree in modules("--", without="views."):
        known = {id(inner) for call in calls(tree) for inner in ast.walk(call)}
        documents = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                option = re.search(r"(?<![\w-])--(?:\w[\w-]*|$)", node.value)
                if option and id(node) not in known | documents:
                    found.add((name, option[0]))
    assert found == set()

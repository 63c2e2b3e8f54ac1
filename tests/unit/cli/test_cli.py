"""Commands, their help and their options."""

from __future__ import annotations

import re
import shlex
import shutil
from inspect import getsource
from pathlib import Path

import numpy as np
import pytest

from attn_cli import attention
from attn_cli.cli.app import COMMANDS
from attn_cli.lab.verifying import grid, judging
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES
from tests.conftest import SAMPLES, Attn, Ran
from tests.helpers import faulty_kernel
from tests.helpers.programs import program_once

pytestmark = pytest.mark.slow

TEXT = "samples/generation.yaml I am"
LOVE = str(SAMPLES / "love_coding.yaml")


def test_no_arguments_show_the_help_on_standard_error(attn: Attn) -> None:
    ran = attn()
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == attn("--help").out


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_an_example_that_runs(
    command: str, attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = attn(command, "-h")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == attn(command, "--help").out
    examples = re.findall(r"^  (attn .*)$", ran.out, re.MULTILINE)
    assert examples
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SAMPLES, "samples")
    Path("mykernel.py").write_text(f"{getsource(faulty_kernel)}\nattention = kernel()\n")
    monkeypatch.setattr(judging, "CASES", grid.CASES[:1])
    given = np.array(
        [[[2, 1], [0, 3], [1, 1]], [[1, 2], [3, 0], [0, 1]], [[5, 7], [11, 2], [3, 13]]]
    )
    arrays = dict(zip("qkv", given, strict=True), mine=attention(*given)["output"])
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    if "problem.yaml" in ran.out or ".npz" in ran.out:
        write_computations(attn)
    for example in examples:
        said = r"loss .* examples right\n" if " -o trained" in example else ""
        out = ""
        for part in example.partition(" > ")[0].split(" | "):
            name, *arguments = shlex.split(part)
            done = attn(*arguments, stdin=out)
            assert (name, done.status) == ("attn", 0), example
            assert re.fullmatch(said, done.err), example
            out = done.out


def write_computations(attn: Attn) -> None:
    """What attn diff compares in its examples: a problem with rope, and its steps, twice."""
    rows = "[[1, 2, 3, 5], [7, 1, 2, 0], [3, 1, 1, 4]]"
    problem = f"query: {rows}\nkey: {rows}\nvalue: {rows}\nrope: true\n"
    Path("problem.yaml").write_text(problem)
    for name in ("kernel", "here", "there"):
        attn("compute", "problem.yaml", "-o", f"{name}.npz")
    Path("dump").mkdir()
    for step, name in (("q_rotated", "q_embed"), ("weights", "attn_probs")):
        attn("compute", "problem.yaml", "--only", step, "-o", f"dump/{name}.npy")


def test_normalizers_come_from_the_registry(attn: Attn) -> None:
    listed = attn("normalizers").out
    for entry in NORMALIZERS:
        explained = attn("normalizers", entry.name).out
        assert explained.startswith(f"{entry.name}: ")
        assert entry.reference in listed
        assert entry.reference in explained
        for parameter in entry.parameters:
            assert parameter.signature in listed
            assert parameter.meaning in explained
        assert "{" not in explained.partition("In a problem file")[0]
        assert f"normalize: {{function: {entry.name}, " in explained or (
            f"normalize: {entry.name}\n" in explained
        )


def test_scores_come_from_the_registry(attn: Attn) -> None:
    listed = attn("scores").out
    for score in SCORES:
        default = "   (default)" if score.name == SCORES.default else ""
        assert f"{score.name:16}{score.formula}{default}\n" in listed
        assert f"[{score.reference}]\n" in listed
        explained = attn("scores", score.name).out
        assert explained.startswith(f"{score.name}: {score.formula}\n")
        for parameter in score.parameters:
            assert parameter.signature in listed
            assert parameter.meaning in explained
        assert score.name in attn("compute", "--help").out
    sparse = " ".join(attn("scores", "sparse").out.split())
    assert "score: {function: sparse, window: 2}" in sparse
    assert "Some texts write sparse attention as one number per query, a sum of q.k_j" in sparse


def test_memory_is_a_size_that_people_write(attn: Attn) -> None:
    assert attn("compute", LOVE, "--memory", "1KB").status == 0
    for text in ("0", "-1", "1XB", "1iB", "", "MB"):
        ran = attn("compute", LOVE, f"--memory={text}")
        assert ran.err.startswith(f"error: --memory cannot be '{text}'\n")


# Each option of `attn compute`, with a value that must change what comes out of the command.
EFFECTS: dict[str, list[str]] = {
    "query": ["--query", "q.npy"],
    "key": ["--key", "k.npy"],
    "value": ["--value", "v.npy"],
    "tokens": ["--tokens", "a b c"],
    "tokens_file": ["--tokens-file", "words.txt"],
    "key_tokens_file": ["--key-tokens-file", "words.txt"],
    "lower": ["--lower", "--tokens", "A B c"],
    "score": ["--score", "scaled"],
    "scale": ["--scale", "2"],
    "normalize": ["--normalize", "argmax"],
    "causal": ["--causal", "true"],
    "dtype": ["--dtype", "float16"],
    "set": ["--set", "scale=3"],
    "show": ["--show", "q"],
    "only": ["--only", "q"],
    "query_token": ["--query-token", "I"],
    "blank": ["--blank", "q"],
    "batch": ["--batch", "1"],
    "head": ["--head", "1"],
    "memory": ["--memory", "1B"],
    "threads": ["--threads", "0"],
    "tile": ["--tile", "0"],
    "check": ["--check", "q=[[1, 0, 0], [0, 1, 0], [0, 0, 1]]"],
    "tolerance": ["--tolerance", "9", "--check", "q=[[9, 9, 9], [9, 9, 9], [9, 9, 9]]"],
    "format": ["--format", "json"],
    "output": ["--output", "out.txt"],
    "force": ["--force", "--output", "forced.npz"],
    "digits": ["--digits", "7"],
    "full": ["--full"],
    "labels": ["--labels", "--only", "q", "--format", "csv"],
    "max_size": ["--max-size", "9kB", "--format", "html"],
    "math": ["--math", "--format", "markdown"],
    "booktabs": ["--booktabs", "--format", "latex"],
    "standalone": ["--standalone", "--format", "latex"],
    "quiet": ["--quiet", "--set", "mask=[[-inf, -inf, -inf]]"],
    "verbose": ["--verbose"],
    "from_": ["--from", "1"],
    "color": ["--color", "always"],
    "light": ["--light", "--color", "always"],
    "help": ["--help"],
}
# Options that an option needs to have an effect are in the run without it too.
BASES: dict[str, list[str]] = {
    "tolerance": EFFECTS["tolerance"][2:],
    "lower": EFFECTS["lower"][1:],
    **{name: EFFECTS[name][1:] for name in ("labels", "math", "booktabs", "standalone")},
    "max_size": EFFECTS["max_size"][2:],
    "quiet": EFFECTS["quiet"][1:],
    "light": EFFECTS["light"][1:],
    "force": EFFECTS["force"][1:],
}


# Each option of the commands on words: a command line, and the same with the option.
LOVE_TENNIS = "I love tennis --dictionary samples/tennis.yaml --format table"
NOT_LIKE = "samples/not_like.yaml not like --format table"
LOOKED_UP = "le --embeddings w.npy --words list.txt --format table"
WRONG_Q = "q=[[1,2,3],[0,0,0],[0,0,0]]"
WRONG_OUTPUT = "output=[[1.5,2.5,3.5],[0,0,0],[0,0,0]]"
GRADIENTS = "samples/not_like.yaml --show-gradients"


def in_formats(line: str) -> dict[str, tuple[str, str]]:
    """The options of formats of text: without, and with each."""
    formats = {"math": "markdown", "booktabs": "latex", "standalone": "latex"}
    return {o: (f"{line} -f {f}", f"{line} -f {f} --{o}") for o, f in formats.items()}


# Options that change a problem.
OF_PROBLEMS = {
    "query": (LOVE, f"{LOVE} --query q.npy"),
    "key": (LOVE, f"{LOVE} --key q.npy"),
    "value": (LOVE, f"{LOVE} --value short.npy"),
    "tokens": (LOVE, f"{LOVE} --tokens 'a b c'"),
    "tokens_file": (LOVE, f"{LOVE} --tokens-file list.txt"),
    "key_tokens_file": (LOVE, f"{LOVE} --key-tokens-file list.txt"),
    "score": (LOVE, f"{LOVE} --score scaled"),
    "scale": (LOVE, f"{LOVE} --scale 2"),
    "normalize": (LOVE, f"{LOVE} --normalize argmax"),
    "causal": (LOVE, f"{LOVE} --causal true"),
    "set": (LOVE, f"{LOVE} --set scale=3"),
}
PAIRS: dict[str, dict[str, tuple[str, str]]] = {
    "translate": {
        "dictionary": ("table", "table --dictionary samples/tennis.yaml --unknown keep"),
        "method": ("le", "le --method embeddings --format table"),
        "context": (LOVE_TENNIS, f"{LOVE_TENNIS} --context"),
        "embeddings": ("le --format table", "le --embeddings w.txt --format table"),
        "word_list": (LOOKED_UP, LOOKED_UP.replace("list.txt", "tsil.txt")),
        "strict": ("le --embeddings w.txt", "le --embeddings w.txt --strict"),
        "score": ("le --format table", "le --format table --score scaled"),
        "scale": ("le --format table", "le --format table --scale 2"),
        "lower": ("LE", "LE --lower"),
        "unknown": ("LE le", "LE le --unknown keep"),
        "top": ("le --format table", "le --format table --top 2"),
        "show": ("le", "le --show weights"),
        "only": ("le", "le --only v"),
        "format": ("le", "le --format json"),
        "output": ("le", "le --output out.txt"),
        "force": (
            "sous -d pairs.csv -f npz -o pairs.csv",
            "sous -d pairs.csv -f npz -o pairs.csv --force",
        ),
        "digits": ("le", "le --digits 7"),
        "full": ("w0 --dictionary big.yaml --show k", "w0 -d big.yaml --show k --full"),
        "labels": ("le --only v -f csv", "le --only v -f csv --labels"),
        **in_formats("le"),
        "quiet": ("zzz le --unknown skip", "zzz le --unknown skip --quiet"),
        "verbose": ("le", "le --verbose"),
        "from_": (
            "I -d samples/tennis.yaml --only q",
            "I -d samples/tennis.yaml --only q --from 1",
        ),
        "color": ("le --format table", "le --format table --color always"),
        "light": ("le -f table --color always", "le -f table --color always --light"),
    },
    "next": {
        "compare": (NOT_LIKE, f"{NOT_LIKE} --compare"),
        "top": (NOT_LIKE, f"{NOT_LIKE} --top 2"),
        "head": ("one_head.yaml not --only v", "one_head.yaml not --only v --head 0"),
        "lower": ("samples/not_like.yaml NOT", "samples/not_like.yaml NOT --lower"),
        "generate": (TEXT, f"{TEXT} --generate 3"),
        "sample": (f"{TEXT} --generate 3", f"{TEXT} --generate 3 --sample 90"),
        "sample_top": (
            f"{TEXT} --generate 3 --sample 90",
            f"{TEXT} --generate 3 --sample 90 --sample-top 1",
        ),
        "seed": (
            f"{TEXT} --generate 3 --sample 90",
            f"{TEXT} --generate 3 --sample 90 --seed 4",
        ),
        "score": (NOT_LIKE, f"{NOT_LIKE} --score dot"),
        "scale": (NOT_LIKE, f"{NOT_LIKE} --scale 3"),
        "normalize": (NOT_LIKE, f"{NOT_LIKE} --normalize argmax"),
        "causal": (NOT_LIKE, f"{NOT_LIKE} --causal true"),
        "dtype": (NOT_LIKE, f"{NOT_LIKE} --dtype float16"),
        "set": (NOT_LIKE, f"{NOT_LIKE} --set next_word.pool=last"),
        "show": (NOT_LIKE, f"{NOT_LIKE} --show weights"),
        "only": (NOT_LIKE, f"{NOT_LIKE} --only v"),
        "format": (NOT_LIKE, "samples/not_like.yaml not like --format json"),
        "output": (NOT_LIKE, f"{NOT_LIKE} --output out.txt"),
        "force": (
            "forced.yaml not -f json -o forced.yaml",
            "forced.yaml not -f json -o forced.yaml --force",
        ),
        "digits": (NOT_LIKE, f"{NOT_LIKE} --digits 7"),
        "full": ("big_words.yaml not --show logits", "big_words.yaml not --show logits --full"),
        "labels": (
            "samples/not_like.yaml not --only v -f csv",
            "samples/not_like.yaml not --only v -f csv --labels",
        ),
        **in_formats("samples/not_like.yaml not"),
        "quiet": ("big_words.yaml not", "big_words.yaml not --quiet"),
        "verbose": (NOT_LIKE, f"{NOT_LIKE} --verbose"),
        "from_": (NOT_LIKE, f"{NOT_LIKE} --from 1"),
        "color": (NOT_LIKE, f"{NOT_LIKE} --color always"),
        "light": (f"{NOT_LIKE} --color always", f"{NOT_LIKE} --color always --light"),
    },
    "graph": {
        **OF_PROBLEMS,
        "threshold": (LOVE, f"{LOVE} --threshold 0.5"),
        "top": (LOVE, f"{LOVE} --top 2"),
        "batch": ("heads.npz", "heads.npz --batch 1"),
        "head": ("heads.npz", "heads.npz --head 1"),
        "memory": (LOVE, f"{LOVE} --memory 1B"),
        "format": (LOVE, f"{LOVE} --format dot"),
        "output": (LOVE, f"{LOVE} --output out.dot"),
        "force": ("heads.npz -f dot -o heads.npz", "heads.npz -f dot -o heads.npz --force"),
        "digits": (LOVE, f"{LOVE} --digits 7"),
        "quiet": (f"{LOVE} --set mask=[[-inf]]", f"{LOVE} --set mask=[[-inf]] --quiet"),
        "color": (LOVE, f"{LOVE} --color always"),
        "lower": (LOVE, f"{LOVE} --lower"),
        "dtype": (f"{LOVE} --digits 7", f"{LOVE} --digits 7 --dtype float16"),
    },
    "check": {
        "problem": (f"{LOVE} {WRONG_Q}", f"samples/columns.yaml {WRONG_Q}"),
        "answers": (LOVE, f"{LOVE} q=[[1,2,3],[0,0,0],[0,0,0]]"),
        "tolerance": (f"{LOVE} {WRONG_Q}", f"{LOVE} {WRONG_Q} --tolerance 9"),
        "format": (f"{LOVE} {WRONG_Q}", f"{LOVE} {WRONG_Q} --format csv"),
        "output": (f"{LOVE} {WRONG_Q}", f"{LOVE} {WRONG_Q} --output out.csv"),
        "force": (
            f"forced.yaml {WRONG_Q} -f csv -o forced.yaml",
            f"forced.yaml {WRONG_Q} -f csv -o forced.yaml --force",
        ),
        "digits": (f"{LOVE} {WRONG_OUTPUT}", f"{LOVE} {WRONG_OUTPUT} --digits 7"),
        "quiet": (
            f"{LOVE} {WRONG_Q} --set mask=[[-inf]]",
            f"{LOVE} {WRONG_Q} --set mask=[[-inf]] --quiet",
        ),
        "color": (f"{LOVE} {WRONG_Q}", f"{LOVE} {WRONG_Q} --color always"),
        "score": (f"{LOVE} {WRONG_OUTPUT}", f"{LOVE} {WRONG_OUTPUT} --score scaled"),
        "scale": (f"{LOVE} {WRONG_OUTPUT}", f"{LOVE} {WRONG_OUTPUT} --scale 2"),
        "normalize": (f"{LOVE} {WRONG_OUTPUT}", f"{LOVE} {WRONG_OUTPUT} --normalize argmax"),
        "causal": (f"{LOVE} {WRONG_OUTPUT}", f"{LOVE} {WRONG_OUTPUT} --causal true"),
        "dtype": (
            f"{LOVE} {WRONG_OUTPUT} --digits 9",
            f"{LOVE} {WRONG_OUTPUT} --digits 9 --dtype float16",
        ),
        "set": (f"{LOVE} {WRONG_OUTPUT}", f"{LOVE} {WRONG_OUTPUT} --set scale=3"),
    },
    "stats": {
        **OF_PROBLEMS,
        "per_query": (LOVE, f"{LOVE} --per-query"),
        "only": (LOVE, f"{LOVE} --only scores"),
        "rows": (LOVE, f"{LOVE} --rows 1:"),
        "batch": ("heads.npz", "heads.npz --batch 1"),
        "head": ("heads.npz", "heads.npz --head 1"),
        "exact": ("large.npz --per-query", "large.npz --per-query --exact"),
        "memory": (LOVE, f"{LOVE} --memory 0"),
        "threads": (LOVE, f"{LOVE} --threads 0"),
        "tile": (LOVE, f"{LOVE} --tile 0x1"),
        "format": (LOVE, f"{LOVE} --format csv"),
        "output": (LOVE, f"{LOVE} --output out.csv"),
        "force": ("heads.npz -f csv -o heads.npz", "heads.npz -f csv -o heads.npz --force"),
        "digits": (LOVE, f"{LOVE} --digits 7"),
        "quiet": (f"{LOVE} --set mask=[[-inf]]", f"{LOVE} --set mask=[[-inf]] --quiet"),
        "color": (LOVE, f"{LOVE} --color always"),
        "lower": (f"{LOVE} --per-query", f"{LOVE} --per-query --lower"),
        "dtype": (f"{LOVE} --digits 7", f"{LOVE} --digits 7 --dtype float16"),
    },
    "conventions": {
        "format": ("torch", "torch --format json"),
        "output": ("torch", "torch --output out.txt"),
        "digits": ("torch onnx", "torch onnx --digits 2"),
        "color": ("torch", "torch --color always"),
    },
    **{
        name: {
            "name": ("", one),
            "format": ("", "--format json"),
            "output": ("", "--output out.txt"),
            "color": ("", "--color always"),
        }
        for name, one in (("scores", "dot"), ("normalizers", "relu"), ("steps", "q"))
    },
    "samples": {
        "name": ("", "scaled"),
        "format": ("scaled", "scaled --format json"),
        "output": ("", "--output out.json"),
        "color": ("", "--color always"),
        "copy": ("", "--copy folder"),
        "force": ("--copy other", "--copy other --force"),
    },
    "train": {
        "output": ("samples/not_like.yaml --steps 1", "samples/not_like.yaml -o - --steps 1"),
        "force": (
            "forced.yaml --show-gradients -o forced.yaml -f json",
            "forced.yaml --show-gradients -o forced.yaml -f json --force",
        ),
        "steps": (
            "samples/not_like.yaml -o - --steps 1",
            "samples/not_like.yaml -o - --steps 2",
        ),
        "learning_rate": (
            "samples/not_like.yaml -o - --steps 1",
            "samples/not_like.yaml -o - --steps 1 --learning-rate 0.5",
        ),
        "seed": (
            "samples/not_like.yaml -o - --steps 1",
            "samples/not_like.yaml -o - --steps 1 --seed 3",
        ),
        "held_out": (
            "samples/not_like.yaml -o - --steps 1",
            "samples/not_like.yaml -o - --steps 1 --held-out 0.3",
        ),
        "log": (
            "samples/not_like.yaml -o - --steps 1",
            "samples/not_like.yaml -o - --steps 1 --log samples/not_like.yaml",
        ),
        "show_gradients": ("samples/not_like.yaml", "samples/not_like.yaml --show-gradients"),
        "format": (
            "samples/not_like.yaml --show-gradients",
            "samples/not_like.yaml --show-gradients --format json",
        ),
        "digits": (GRADIENTS, f"{GRADIENTS} --digits 7"),
        "labels": (f"{GRADIENTS} -f latex", f"{GRADIENTS} -f latex --labels"),
        **in_formats(GRADIENTS),
        "verbose": (GRADIENTS, f"{GRADIENTS} --verbose"),
        "from_": (GRADIENTS, f"{GRADIENTS} --from 1"),
        "color": (GRADIENTS, f"{GRADIENTS} --color always"),
    },
}


@pytest.mark.parametrize("command", PAIRS)
def test_every_option_of_the_other_commands_changes_something(
    command: str, attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SAMPLES, "samples")
    given = program_once(command).commands[command].params
    assert {p.name for p in given} - {"words", "file", "names"} == set(PAIRS[command])
    Path("w.txt").write_text("sous 1 0\nle 2 1\nbad x\nla 2 0\nLE 0 1\nI 1 1\n")
    Path("list.txt").write_text("le\nla\nsous\nLE\nI\n")
    Path("tsil.txt").write_text("I\nLE\nsous\nla\nle\n")
    Path("forced.yaml").write_text(Path("samples/not_like.yaml").read_text())
    Path("pairs.csv").write_text("sous,under\n")
    np.save("w.npy", np.arange(10.0).reshape(5, 2))
    np.save("q.npy", np.arange(9.0).reshape(3, 3))
    np.save("short.npy", np.ones((2, 3)))
    rng = np.random.default_rng(1)
    np.savez("heads.npz", **{n: rng.normal(size=(2, 2, 3, 3)) for n in "qkv"})  # type: ignore[arg-type]
    np.savez("large.npz", embeddings=rng.normal(size=(70, 2)))  # of 70 x 70 scores some are taken
    monkeypatch.setattr("attn_cli.lab.sampling.LIMIT", 4096)
    monkeypatch.setattr("attn_cli.lab.sampling.AIM", 1024)
    Path("big.yaml").write_text(f"pairs: {{{', '.join(f'w{n}: v{n}' for n in range(40))}}}\n")
    Path("one_head.yaml").write_text(
        "embeddings: {not: [1]}\nheads: 1\nnext_word: {vocabulary: [a], weights: [[1]]}\n"
    )
    many = range(1001)
    Path("big_words.yaml").write_text(
        "embeddings: {not: [1]}\nnext_word:\n"
        f"  vocabulary: [{', '.join(f'w{n}' for n in many)}]\n"
        f"  weights: [[{', '.join('0' for _ in many)}]]\n"
    )
    Path("other").mkdir()
    Path("other/bank.yaml").write_text("mine")
    before: dict[str, Ran] = {}  # of many options it is the same
    for name, (plain, changed) in PAIRS[command].items():
        if plain not in before:
            before[plain] = attn(command, *shlex.split(plain))
        assert attn(command, *shlex.split(changed)) != before[plain], name


def test_every_option_changes_something(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {p.name for p in program_once("compute").commands["compute"].params} - {"file"}
    assert options | {"help"} == set(EFFECTS)
    rng = np.random.default_rng(1)
    heads = {n: rng.normal(size=(2, 3, 4, 5)) for n in "qkv"}
    np.savez("heads.npz", **heads)  # type: ignore[arg-type]
    Path("words.txt").write_text("a\nb\nc\n")
    np.savez("large.npz", embeddings=rng.normal(size=(40, 40)))
    for side, shape in {"q": (2, 4), "k": (3, 4), "v": (3, 2)}.items():
        np.save(f"{side}.npy", rng.normal(size=shape))
    files = {"batch": "heads.npz", "head": "heads.npz", "full": "large.npz"}
    files |= dict.fromkeys(("query", "key", "value"), str(SAMPLES / "scaled.yaml"))
    np.savez("forced.npz", embeddings=rng.normal(size=(3, 2)))
    files["force"] = "forced.npz"
    refused = {"memory", "threads", "tile", "max_size"}
    without: dict[tuple[str, ...], Ran] = {}  # of many options it is the same
    for name, arguments in EFFECTS.items():
        file = files.get(name, LOVE)
        base = (file, *BASES.get(name, []))
        if base not in without:
            without[base] = attn("compute", *base)
        ran = attn("compute", file, *arguments)
        assert ran != without[base], name
        assert ran.status == (2 if name in refused else 0 if name != "check" else 1), name


@pytest.mark.regression("joined short options and repeated --format hid that JSON was asked for")
@pytest.mark.parametrize(
    ("tail", "as_json"),
    [
        (["-qf", "json"], True), (["-qfjson"], True), (["-fjson"], True), (["-f=json"], True),
        (["--format=json"], True), (["--format", "json", "--format", "csv"], False),
        (["--format", "csv", "-f", "json"], True),
    ],
)  # fmt: skip
def test_a_failure_is_a_document_where_json_is_in_force(
    tail: list[str], as_json: bool, attn: Attn
) -> None:
    ran = attn("compute", "nowhere.yaml", "--only", "q", *tail)
    assert ran.status == 2
    assert (ran.out != "") is as_json
    assert (ran.err == "") is as_json

"""Which part of the package reads an input: one entry for each kind."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np

from attn_cli.cli import main
from attn_cli.cli.override import apply_options, put_keys, read_checks
from attn_cli.engine.run import run
from attn_cli.errors import AttnError
from attn_cli.language.dictionary import Sentence, read_dictionary
from attn_cli.language.translation import translate
from attn_cli.maths.problem import Request
from attn_cli.reading.keys import KEYS
from attn_cli.reading.resource_limits import read_memory, read_threads, read_tile
from attn_cli.reading.schema import read_document
from attn_cli.reading.sequences import read_problems
from attn_cli.sources.matrices.document import Document, from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.train.training_reader import read_training
from tests.fuzz import corpus
from tests.fuzz.judge import refuse_control_characters
from tests.fuzz.mutate import ANY, TOKENS, mutated, mutated_tree, written

MOST = 1 << 26  # bytes that the steps of a problem may take


@dataclass(frozen=True)
class Reader:
    """How inputs of one kind are drawn and read.

    `draw` returns an input; `read` writes it into the working folder and reads it: it returns, or
    raises AttnError. `files` are all that it may write. `weight` is its share of the time.
    """

    name: str
    draw: Callable[[Random], bytes]
    read: Callable[[bytes], None]
    files: tuple[str, ...]
    weight: float = 1.0


def _document(file: str, data: bytes) -> Document:
    Path(file).write_bytes(data)
    return read_document(file, Inputs())


def _computed(document: Document) -> None:
    """Read a problem, and compute it: what was accepted must not fail later with anything else."""
    problems = read_problems(document)
    try:
        for problem in problems:
            run(problem, Request(memory=MOST))
    except AttnError as error:
        error.where = error.where or document.where(())  # what is known of whole problems alone
        raise


def _yaml(data: bytes) -> None:
    _computed(_document("p.yaml", data))


def _json(data: bytes) -> None:
    _computed(_document("p.json", data))


def _draw_yaml(random: Random) -> bytes:
    if random.random() < 0.5:
        return written(mutated_tree(random, corpus.trees())).encode("utf-8", "surrogatepass")
    return mutated(random, corpus.problems())


def _draw_json(random: Random) -> bytes:
    """JSON with the errors of JSON: the tree of a problem, with quotes, then changed as text."""
    text = json.dumps(mutated_tree(random, corpus.trees()), ensure_ascii=random.random() < 0.5)
    data = text.encode("utf-8", "surrogatepass")
    return mutated(random, [data]) if random.random() < 0.5 else data


def _train(data: bytes) -> None:
    read_training(_document("t.yaml", data))


def _draw_train(random: Random) -> bytes:
    if random.random() < 0.5:
        trees = corpus.trees()
        return written(mutated_tree(random, trees[-1:])).encode("utf-8", "surrogatepass")
    return mutated(random, corpus.texts("trained"))


def _mapped(tree: dict[str, Any]) -> None:
    """Read a problem that names files, as a mapping of its keys from Python."""
    document = from_mapping(tree)
    document.name = "p.yaml"  # so that errors have a place
    _computed(document)


def _npy(data: bytes) -> None:
    Path("x.npy").write_bytes(data)
    _mapped({"query": "x.npy", "key": "x.npy", "value": "x.npy", "mask": "x.npy"})


NPY_TOKENS = tuple(
    token.encode()
    for token in (
        "'descr': '<f8'", "'|O'", "'<U4'", "'|S3'", "'<M8[D]'", "'<c16'", "'>f2'", "'|V2'", "'|b1'",
        "'<i8'", "'<u1'", "(3, 2)", "(-1, 2)", "()", "(0,)", "(1e9,)", "(99999999999, 2)", "True",
        "False", "'fortran_order'", "'shape': (2, 2),", "{", "}", "None", "[('x', '<f8')]",
        "\x93NUMPY", "\x01\x00", "\x02\x00", "\x03\x00", "\x04\x00", "v\x00", "\xff\xff",
        "nan", "__import__",
    )
)  # fmt: skip


def _draw_npy(random: Random) -> bytes:
    return mutated(random, corpus.arrays(), ANY, NPY_TOKENS)


def _npz(data: bytes) -> None:
    _computed(_document("x.npz", data))


def _named_members(data: bytes) -> None:
    Path("x.npz").write_bytes(data)
    _mapped({"query": "x.npz#q", "key": "x.npz#k", "value": "x.npz"})


def _draw_npz(random: Random) -> bytes:
    """An archive that is changed, or one whose members or their names are."""
    if random.random() < 0.5:
        return mutated(random, corpus.archives(), ANY, NPY_TOKENS)
    members = dict(random.choice(corpus.members()))
    name = random.choice(sorted(members))
    data = members.pop(name)
    if random.random() < 0.3:
        other = mutated(random, [name.encode()], ANY, TOKENS).decode("utf-8", "ignore")
        members[other.replace("\0", "")[:200] or "a"] = data
    else:
        members[name] = mutated(random, [data], ANY, NPY_TOKENS)
    return corpus.archive(members, packed=random.random() < 0.5)


def _table(file: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        Path(file).write_bytes(data)
        _mapped({"embeddings": file, "causal": "true"})

    return read


def _draw_table(delimiter: bytes) -> Callable[[Random], bytes]:
    def draw(random: Random) -> bytes:
        return mutated(random, corpus.texts("tables")).replace(b",", delimiter)

    return draw


def _vectors(file: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        Path(file).write_bytes(data)
        _mapped({"tokens": ["le", "chat"], "embeddings": {"file": file}})

    return read


def _draw_vectors(random: Random) -> bytes:
    return mutated(random, corpus.texts("vectors"))


def _draw_gzip(random: Random) -> bytes:
    if random.random() < 0.5:
        return mutated(random, corpus.packed_vectors(), ANY)
    return gzip.compress(_draw_vectors(random), compresslevel=1, mtime=0)


def _words(data: bytes) -> None:
    np.save("v.npy", np.arange(6.0).reshape(3, 2))
    Path("w.txt").write_bytes(data)
    _mapped({"tokens": ["le", "chat"], "embeddings": {"file": "v.npy", "words": "w.txt"}})


def _draw_words(random: Random) -> bytes:
    return mutated(random, [b"le\nchat\nsur\n", b"\xef\xbb\xbfle\r\nchat\r\n\xc3\xa9\r\n"])


def _dictionary(file: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        Path(file).write_bytes(data)
        dictionary = read_dictionary(file, Inputs())
        sentence = Sentence("le chat", dictionary.words(["le chat"]), None)
        both = dictionary.document.tree.keys() >= {"context", "embeddings"}
        try:
            found = dictionary.translations([sentence], None, context=both, unknown="skip")
        except AttnError as error:
            error.where = error.where or dictionary.document.where(())
            raise
        for translation in found:
            translate(translation, top=2)
            translate(translation, steps=())

    return read


def _draw_dictionary(random: Random) -> bytes:
    return mutated(random, corpus.texts("dictionaries"))


PLAIN = ("score", "scale", "causal", "normalize", "dtype", "tokens", "query", "key", "value")
RESOURCES: dict[str, Callable[[str, str], Any]] = {
    "threads": read_threads,
    "tile": read_tile,
    "memory": read_memory,
}
BASE = "tokens: [a, b, c]\nembeddings: [[1, 0, 1], [0, 1, 1], [1, 1, 0]]\n"


def _options(data: bytes) -> None:
    """Read lines NAME=VALUE as the options of `attn compute`."""
    document = _document("p.yaml", BASE.encode())
    with _standard_input(b"[[1, 2]]"):
        # bytes that are not text come from the shell as lone surrogates
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            name, _, value = line.partition("=")
            if name in RESOURCES:
                RESOURCES[name](value, f"--{name}")
            elif name == "check":
                read_checks([value], document.inputs, [])
            elif name in PLAIN and value:
                put_keys(document, {name: value})
            elif line:
                apply_options(document, {}, [line])
        _computed(document)


def _draw_options(random: Random) -> bytes:
    lines = [mutated(random, corpus.texts("options")) for _ in range(random.choice((1, 1, 2)))]
    if random.random() < 0.5:
        tree = mutated_tree(random, corpus.trees())
        for key in random.sample(sorted(tree), min(2, len(tree))):
            value = written(tree[key]).encode("utf-8", "surrogatepass")
            lines.append(key.encode() + b"=" + value)
        key = random.choice(tuple(KEYS))
        lines.append(key.encode() + b"=" + random.choice(TOKENS))
    return b"\n".join(lines)


COMMAND_FILES = {
    "p.yaml": BASE,
    "n.yaml": corpus.PROBLEMS[-3],
    "t.yaml": corpus.TRAINED[0],
    "d.yaml": corpus.DICTIONARIES[1],
    "x.csv": "1,2,3\n4,5,6\n7,8,9\n",
}
# What could name a file to be written: nothing is, except to standard output.
_OUTPUT = re.compile(r"-[^-]*o.*|--output.*|--copy.*|.*/.*", re.DOTALL)


def _arguments(data: bytes) -> list[str]:
    """Return the lines of an input as arguments."""
    lines = data.decode("utf-8", "surrogateescape").replace("\0", "").split("\n")
    kept = [line for line in lines if not _OUTPUT.fullmatch(line)]
    return [*kept, "-o", "-"] if kept[:1] == ["train"] else kept


def _command(data: bytes) -> None:
    """Run a whole command line; what it says is its error."""
    for name, text in COMMAND_FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    Path("x.npy").write_bytes(corpus.arrays()[3])
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with _standard_input(BASE.encode()), redirect_stdout(out), redirect_stderr(err):
        status = main(_arguments(data))
        out.flush()
        err.flush()
    said = err.buffer.getvalue().decode()
    if status not in {0, 1, 2, 3}:
        raise AssertionError(f"exit status {status}")
    if status == 2 and not said and not out.buffer.getvalue():
        raise AssertionError("exit status 2 without a word")
    refuse_control_characters(said)


@contextmanager
def _standard_input(data: bytes) -> Iterator[None]:
    before = sys.stdin
    sys.stdin = SimpleNamespace(buffer=io.BytesIO(data))
    try:
        yield
    finally:
        sys.stdin = before


def _draw_command(random: Random) -> bytes:
    return mutated(random, corpus.texts("commands"))


READERS = {
    reader.name: reader
    for reader in (
        Reader("yaml", _draw_yaml, _yaml, ("p.yaml",), weight=3),
        Reader("json", _draw_json, _json, ("p.json",)),
        Reader("npy", _draw_npy, _npy, ("x.npy",)),
        Reader("npz", _draw_npz, _npz, ("x.npz",)),
        Reader("npz-members", _draw_npz, _named_members, ("x.npz",)),
        Reader("csv", _draw_table(b","), _table("x.csv"), ("x.csv",)),
        Reader("tsv", _draw_table(b"\t"), _table("x.tsv"), ("x.tsv",)),
        Reader("vectors", _draw_vectors, _vectors("v.vec"), ("v.vec",)),
        Reader("gzip", _draw_gzip, _vectors("v.vec.gz"), ("v.vec.gz",)),
        Reader("words", _draw_words, _words, ("w.txt", "v.npy")),
        Reader("dictionary", _draw_dictionary, _dictionary("d.yaml"), ("d.yaml",)),
        Reader("dictionary-table", _draw_table(b","), _dictionary("d.csv"), ("d.csv",)),
        Reader("train", _draw_train, _train, ("t.yaml",)),
        Reader("options", _draw_options, _options, ("p.yaml",), weight=2),
        Reader("command", _draw_command, _command, ("x.npy", *COMMAND_FILES)),
    )
}

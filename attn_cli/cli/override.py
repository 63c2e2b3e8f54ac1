"""Options that replace keys of the problem."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from attn_cli.errors import AttnError, Where, dotted, printable
from attn_cli.reading.keys import KEYS
from attn_cli.reading.schema import names_of_keys
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.files import Inputs, twice_from_stdin
from attn_cli.sources.matrices.lookup import is_vectors_file
from attn_cli.sources.matrices.tables import decode
from attn_cli.sources.text.events import Quoted, parse, parse_kindly
from attn_cli.sources.text.mappings import advice_for_key
from attn_cli.sources.text.meant import SYNONYMS

WRITTEN_OUT = (
    "query",
    "key",
    "value",
    "normalize",
    "scale",
)  # a name or a path can be given instead
OF_RESULTS = ("tokens", "key_tokens", "lower")  # keys that apply to results
NULLS = ("null", "~")  # values of --set that remove a key
PAIR = r"\s*[A-Za-z_]\w*:\s"  # the beginning of a mapping


def apply_options(document: Document, options: Mapping[str, str], sets: Sequence[str]) -> None:
    """Put the values of options into the document; raise AttnError with the option at fault.

    `options` are key -> text, `sets` texts KEY.SUBKEY=VALUE whose value is YAML; `null` removes
    the key.
    """
    put_keys(document, options)
    for text in sets:
        _set(document, text)


def put_keys(document: Document, options: Mapping[str, str]) -> None:
    """Put the values of options, key -> text, into the document."""
    for name, text in options.items():
        key = name.removesuffix("_file")
        shown = name.replace("_", "-")
        option = "--lower" if key == "lower" else f"--{shown} {printable(text)}"
        node: object = Quoted(text) if key == "tokens" else text
        if name != key:
            if key in options:
                raise AttnError(
                    f"--{key} and --{shown} exclude each other", help="give the words once"
                )
            document.replace((key,), {"file": Quoted(text)}, option)
            document.tree.pop("sequences", None)
            continue
        if key == "tokens" and text == "-":
            with document.inputs.open("-", "--tokens") as stream:
                node = Quoted(decode(stream.read(), "standard input"))
        elif key == "score" or (key in WRITTEN_OUT and _is_written_out(text)):
            node = _value(text, f"--{key}", document.notes)
        document.replace((key,), node, option)
        if key == "tokens":
            document.tree.pop("sequences", None)  # one sequence replaces all


def words_alone(
    file: str, options: Mapping[str, str], sets: Sequence[str], inputs: Inputs
) -> Document:
    """Return a document of the words that options give for a file of results.

    Raises AttnError for options that change a problem: the file has results.
    """
    refuse_two_readers(file, options)
    document = Document({}, inputs=inputs)
    apply_options(document, options, sets)
    for key in document.tree:
        if key not in OF_RESULTS:
            raise AttnError(
                f"{printable(file)} is a result, and {key} changes a problem",
                where=document.where((key,)),
                help="give the problem file, or leave the option out",
            )
    return document


def put_embeddings(document: Document, file: str, words: str | None, *, strict: bool) -> None:
    """Replace the embeddings by a file of word vectors; `words` is the list of words of an NPY.

    Raises AttnError if its suffix is not that of word vectors.
    """
    if file == "-":
        raise AttnError(
            "--embeddings cannot come from standard input: they may be read twice",
            help="put them into a file",
        )
    if words is None and not is_vectors_file(file):
        npy = file.lower().endswith(".npy")
        raise AttnError(
            f"--embeddings {printable(file)} needs its list of words"
            if npy
            else f"--embeddings {printable(file)} is not a file of word vectors by its suffix",
            help="add --words FILE, one word per line"
            if npy
            else "use .txt, .vec or .glove, also gzipped, or an NPY with --words",
        )
    node: dict[str, object] = {"file": Quoted(file)}
    if words is not None:
        node["words"] = Quoted(words)
    if strict:
        node["strict"] = "true"
    document.replace(("embeddings",), node, f"--embeddings {printable(file)}")


def put_sequences(document: Document, texts: Sequence[str]) -> None:
    """Replace the words of a problem by texts, one per sequence; `-` reads one per line."""
    named = [(text, f"'{printable(text)}'") for text in texts]
    if list(texts) == ["-"]:
        named = lines_of(document.inputs, "the sequences", "sequence")
    document.tree.pop("tokens", None)
    document.tree["sequences"] = [Quoted(text) for text, _ in named]
    for at, (_, name) in enumerate(named):
        document.options["sequences", at] = name


def refuse_dash_among(words: Sequence[str]) -> None:
    """Raise AttnError if both standard input and words are given."""
    if "-" in words and len(words) > 1:
        raise AttnError(
            "- means standard input, and must be the only one",
            help="give the words, or - for a pipe",
        )


def lines_of(inputs: Inputs, wanted_for: str, what: str) -> list[tuple[str, str]]:
    """Return the lines of standard input that are not blank, each with its place."""
    with inputs.open("-", wanted_for) as stream:
        text = decode(stream.read(), "standard input")
    lines = enumerate(text.splitlines(), 1)
    found = [(line, f"standard input:{at}") for at, line in lines if line.strip()]
    if not found:
        raise AttnError("standard input holds no word", help=f"write one {what} a line")
    return found


def read_checks(
    texts: Sequence[str], inputs: Inputs, notes: list[str], option: str = "--check"
) -> dict[str, Document]:
    """Return step -> a document with its values, from texts STEP=MATRIX of an option.

    The matrix is YAML or a path. Notes on how it was read are added to `notes`. Raises AttnError
    for two matrices of one step.
    """
    found: dict[str, Document] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value.strip():
            raise AttnError(
                f"{option} needs STEP=MATRIX, not '{printable(text)}'",
                help=f"for example {option} output=hand.csv, or {option} 'q=[[1, 0], [0, 1]]'",
            )
        if name in found:
            raise AttnError(f"{option} {printable(name)} is given twice", help="keep one of them")
        node = _value(value, f"{option} {printable(name)}", notes)
        document = Document({name: node}, inputs=inputs)
        document.options[name,] = f"{option} {printable(text)}"
        found[name] = document
    return found


def refuse_two_readers(file: str | None, options: Mapping[str, str]) -> None:
    """Raise AttnError, before anything is read, if two options read standard input."""
    readers = ["the problem"] if file == "-" else []
    readers += [f"--{key.replace('_', '-')}" for key, text in options.items() if text == "-"]
    if len(readers) > 1:
        raise twice_from_stdin(readers[0], readers[1])


def _set(document: Document, text: str) -> None:
    alone = text.startswith("--")  # a key that has an option of its own
    key, equals, value = text.partition("=")
    option = f"--set {printable(text)}"
    if alone:
        option, key = f"{key} {printable(value)}", key[2:].replace("-", "_")
    first, *inner = key.split(".")
    path = (SYNONYMS.get(first, first), *inner)
    if not equals or not all(path):
        raise AttnError(
            f"--set needs KEY=VALUE, not '{printable(text)}'",
            help="for example --set score.window=2, or --set mask=mask.npy",
        )
    if path[0] not in KEYS:
        raise AttnError(
            f"unknown key '{printable(path[0])}'",
            where=Where(option),
            help=advice_for_key(path[0], (), KEYS),
        )
    if not value.strip():
        what = option.strip() if alone else f"--set {dotted(path)}"
        raise AttnError(f"{what} has no value", help=f"write {what}{' ' if alone else '='}VALUE")
    if value.strip() in NULLS:
        document.remove(path)
        return
    named = option.partition(" ")[0] if alone else f"--set {printable(key)}"
    if alone and path == ("key_tokens",) and not value.lstrip().startswith(("[", "{")):
        document.replace(path, Quoted(value), option)
        return
    document.replace(path, _value(value, named, document.notes), option)


def _is_written_out(text: str) -> bool:
    """Return whether the text of an option is a list or a mapping in YAML."""
    return re.match(PAIR, text) is not None or text.lstrip().startswith(("[", "{"))


def _value(text: str, option: str, notes: list[str]) -> object:
    """Return the YAML value of an option; a mapping may be written without its braces."""
    if re.match(PAIR, text) and "\n" not in text:
        try:
            return parse(f"{{{text}}}", option, names_of_keys())
        except AttnError:
            pass  # the error of the original text is clearer
    parsed = parse_kindly(text, option, names_of_keys())
    notes += parsed.notes
    return parsed.tree

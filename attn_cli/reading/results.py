"""A step that was computed before: from attn's JSON or NPZ, or from an array alone.

JSON   attn/1 has formula, axes and labels of each step; its `visible` says what is hidden, why
NPZ    members are named after steps
NPY    2 to 4 axes: ([[batch,] heads,] queries, keys), or the same of vectors
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.arrays import AnyArray, Tensor
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, Where, argument, did_you_mean, printable
from attn_cli.maths.pipeline import STAGES
from attn_cli.maths.stage import CODE, OF_PAIRS, SCORE, Stage
from attn_cli.maths.visible.base import REASONS
from attn_cli.reading.keys import KEYS
from attn_cli.record import Labels, Numbered
from attn_cli.sources.matrices.document import Document, Member
from attn_cli.sources.matrices.files import Inputs, name_of
from attn_cli.sources.matrices.matrix import read_array_by_rows
from attn_cli.sources.matrices.npy_files import NPY_MAGIC, ZIP_MAGIC, Archive, read_npy
from attn_cli.sources.matrices.shapes import shape_text
from attn_cli.sources.matrices.tables import decode
from attn_cli.sources.matrices.token_files import Entries, read_entries
from attn_cli.sources.text.meant import SYNONYMS
from attn_cli.sources.text.scalars import flag

if TYPE_CHECKING:
    from typing import BinaryIO

FORMAT = "attn/1"
MINUS_INFINITY = ("visible", "-inf")  # the legend of scores that say what is hidden themselves


@dataclass(frozen=True, kw_only=True)
class Result:
    """One step, its axes in any order.

    `hidden` has the code of why a key is hidden, an index into `legend`, where the number says so
    too; `visible` has all codes. `checked`: `warnings` say where it is not finite.
    """

    file: str
    step: str
    formula: str
    role: str
    axes: tuple[str, ...]
    labels: tuple[Labels, ...]
    values: Tensor
    hidden: AnyArray | None = None
    visible: AnyArray | None = None
    legend: tuple[str, ...] = ()
    cross: bool
    settings: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    checked: bool = False


def read_result(file: str, inputs: Inputs, step: str, *, of_batch: bool = False) -> Result | None:
    """Return the step that a file holds; None if the file is a problem, which is still unread.

    `of_batch`: the first of three axes of an array is that of batch entries, else of heads. Raises
    AttnError if it holds other steps, or arrays that are not steps.
    """
    name = printable(name_of(file))
    base, mark, _ = file.rpartition("#")
    if mark and base.lower().endswith(".npz"):
        array = read_array_by_rows(Document({}, inputs=inputs), file, (step,))
        return _of_array(array, name, _stage(step), of_batch=of_batch)
    stream = inputs.open(file, "the problem")
    head = stream.read(16)
    stream.seek(0)
    if head.startswith(NPY_MAGIC):
        return _of_array(_npy(stream, file, name, inputs), name, _stage(step), of_batch=of_batch)
    if head.startswith(ZIP_MAGIC):
        archive = Archive(inputs.reopener(stream, file, "the problem"), name, ())
        inputs.put_back(file, stream)
        return _of_archive(archive, inputs, step, of_batch=of_batch)
    data = stream.read() if head.lstrip()[:1] == b"{" else b""
    inputs.put_back(file, stream)
    return _of_text(data, name, step)


def named(result: Result, document: Document, batch: int | None) -> Result:
    """Return the result with the words of `tokens` and `key_tokens` as labels.

    Raises AttnError if there are not as many as queries or keys. Words of the queries are those of
    the keys too, if these are as many and have none of their own.
    """
    tree = document.tree
    lower = "lower" in tree and flag(tree["lower"], ("lower",))
    labels = dict(zip(result.axes, result.labels, strict=True))
    for key, axis in (("tokens", "query"), ("key_tokens", "key")):
        if key not in tree:
            continue
        if axis not in labels:
            what = "queries" if axis == "query" else "keys"
            raise AttnError(f"{result.step} has no {what} that can be named", path=(key,))
        words = _of_entry(read_entries(document, tree[key], (key,), lower=lower), key, batch)
        if len(words) != len(labels[axis]):
            raise AttnError(
                f"{key} has {_count(len(words), 'word')}, but {result.step} in {result.file} has "
                f"{len(labels[axis])} {'queries' if axis == 'query' else 'keys'}",
                path=(key,),
                help="a text is split into words at blanks and punctuation; the lines of "
                f"{argument('tokens-file', 'FILE')} are never split",
            )
        both = key == "tokens" and "key" in labels and len(labels["key"]) == len(words)
        labels |= {axis: words, **({"key": words} if both else {})}
    cross = result.cross
    if {"query", "key"} <= labels.keys():
        cross = list(labels["query"]) != list(labels["key"])
    return replace(result, labels=tuple(labels[axis] for axis in result.axes), cross=cross)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _of_entry(entries: Entries, key: str, batch: int | None) -> tuple[str, ...]:
    """Return the words of the batch entry that is drawn."""
    if len(entries) == 1:
        return entries[0]
    if batch is None:
        raise AttnError(
            f"{key} has {len(entries)} lists, one per batch entry",
            path=(key,),
            help=f"choose an entry with {argument('batch')}, or give one list for all",
        )
    if not 0 <= batch < len(entries):
        raise AttnError(
            f"{key} has {len(entries)} lists, so none for batch entry {batch}", path=(key,)
        )
    return entries[batch]


def _stage(step: str) -> Stage:
    """Return the row of a step; raise AttnError, naming the nearest, if there is none."""
    for stage in STAGES:
        if stage.name == step:
            return stage
    raise AttnError(
        f"unknown step '{step}'",
        help=did_you_mean(
            step,
            [stage.name for stage in STAGES],
            what="there are",
            meant={word: stage.name for stage in STAGES for word in stage.aliases},
            listed=True,
        ),
    )


def _npy(stream: BinaryIO, file: str, name: str, inputs: Inputs) -> Tensor:
    """Return the array of an NPY: a large file by rows, a pipe as a whole."""
    if isinstance(stream, io.BytesIO):
        return read_npy(stream, name, ())
    stream.close()
    return read_array_by_rows(Document({}, inputs=inputs), {"file": file}, ())


def _of_array(array: Tensor, name: str, stage: Stage, *, of_batch: bool) -> Result:
    """Return an array alone as a step."""
    pairs = stage.axes == OF_PAIRS
    if len(stage.axes) != 2:
        raise AttnError(
            f"{stage.name} has one axis, {stage.axes[0]}: a heat map needs two",
            help=f"say of which step it is: {argument('only', 'weights')}",
        )
    most = 4 if pairs else 3  # four axes of vectors are in one of two orders
    if not 2 <= array.ndim <= most:
        wanted = ", ".join(stage.axes)
        raise AttnError(
            f"{name} has {array.ndim} {'axis' if array.ndim == 1 else 'axes'}, shape "
            f"{shape_text(array.shape)}; {stage.name} needs 2 to {most}",
            help=f"({wanted}), (head, {wanted})"
            + (f" or (batch, head, {wanted})" if pairs else "; JSON has the names of more axes"),
        )
    if 0 in array.shape:
        raise AttnError(f"{name} is empty: its shape is {shape_text(array.shape)}")
    first = "batch" if of_batch else "head"
    lead = {2: (), 3: (first,), 4: ("batch", "head")}[array.ndim]
    queries, keys = array.shape[-2:]
    return Result(
        file=name,
        step=stage.name,
        formula=stage.name,
        role=stage.role,
        axes=(*lead, *stage.axes),
        labels=tuple(Numbered(range(size)) for size in array.shape),
        values=array,
        legend=REASONS if stage.role == CODE else MINUS_INFINITY,
        cross=pairs and queries != keys,
        settings={},
    )


def _of_archive(archive: Archive, inputs: Inputs, step: str, *, of_batch: bool) -> Result | None:
    """Return a member of an archive; None if that is a problem, not results."""
    names = set(archive.names)
    if step not in names:
        if not has_results(names):
            _refuse_other_names(archive, step)
            return None
        raise AttnError(
            f"{archive.name} has no step '{printable(step)}'",
            help=did_you_mean(step, archive.names, what="it has", listed=True),
        )
    document, stage = Document({}, inputs=inputs), _stage(step)
    array = read_array_by_rows(document, Member(archive, step), (step,))
    result = _of_array(array, f"{archive.name}#{step}", stage, of_batch=of_batch)
    if "layout" in names and str(archive.read("layout", ("layout",))) == "columns":
        *lead, first, second = result.axes
        result = replace(result, axes=(*lead, second, first))
    if "visible" in names and stage.marked and step != "visible":
        codes = archive.read("visible", ("visible",))
        if codes.shape == tuple(array.shape):
            return _hidden(result, codes, REASONS)
    return result


def _refuse_other_names(archive: Archive, step: str) -> None:
    """Raise AttnError for an archive whose arrays are neither steps nor keys of a problem."""
    names = list(map(printable, archive.names))
    if not names or {name.partition(".")[0] for name in names} & {*KEYS, *SYNONYMS}:
        return
    raise AttnError(
        f"{archive.name} has no step '{printable(step)}', and no array of a problem",
        help=f"name an array: {archive.name}#{names[0]}; it has: {', '.join(names)}",
    )


def has_results(names: set[str]) -> bool:
    """Return whether an archive has steps that are not keys of a problem."""
    keys = KEYS.keys() - {"weights"} | {"q", "k", "v"}  # weights of a problem are a mapping
    found = names & ({stage.name for stage in STAGES} - keys)
    queries = names & {"q", "query"}
    return bool(found) and not (found == {"scores"} and not queries)  # these are given scores


def _hidden(result: Result, codes: AnyArray, legend: tuple[str, ...]) -> Result:
    """Return the result with the codes of its hidden cells: -inf of scores, 0 of weights."""
    values: AnyArray = np.asarray(result.values[:])
    hides = values == (-np.inf if result.role == SCORE else 0)
    if codes.min() < 0 or codes.max() >= len(legend):
        raise AttnError(f"{result.file}: visible has codes that its legend does not have")
    hidden = np.where(hides, codes, 0).astype(np.uint8)
    return replace(result, values=values, hidden=hidden, visible=codes, legend=legend)


def _of_text(data: bytes, name: str, step: str) -> Result | None:
    """Return a step of a JSON document of attn; None for other texts."""
    document = document_of(data, name)
    if document is None:
        return None
    steps = document["steps"]
    if step not in steps:
        raise AttnError(
            f"{name} has no step '{printable(step)}'",
            help=did_you_mean(step, map(printable, steps), what="it has", listed=True),
        )
    return _of_document(document, name, step)


def document_of(data: bytes, name: str) -> Mapping[str, Any] | None:
    """Return a JSON document of attn with steps; None for other texts.

    Raises AttnError for a broken one, and for one without steps.
    """
    if b'"format"' not in data or b'"attn/' not in data:
        return None
    text = decode(data, name)
    try:
        document = json.loads(text)
    except RecursionError:
        return None
    except ValueError as error:
        raise _broken(error, name, text) from None
    if not isinstance(document, dict) or not str(document.get("format")).startswith("attn/"):
        return None
    _refuse_other(document, name)
    return document


def _broken(error: ValueError, name: str, text: str) -> AttnError:
    """Return the error for a text that is not a JSON document."""
    if not isinstance(error, json.JSONDecodeError):
        return AttnError(f"{name} is not JSON: {printable(str(error))}", where=Where(name))
    if error.msg == "Extra data" and text[: error.pos].strip():
        return AttnError(
            f"{name} holds several documents, and one is wanted here",
            where=Where(name, error.lineno, error.colno),
            help="put one of them into a file of its own",
        )
    line = error.doc.split("\n")[error.lineno - 1]
    return AttnError(
        f"{name} is not JSON: {error.msg}", where=Where(name, error.lineno, error.colno, line)
    )


def _refuse_other(document: Mapping[str, Any], name: str) -> None:
    """Raise AttnError for a document that has no steps with values."""
    if document["format"] != FORMAT:
        raise AttnError(
            f"{name} is in the format {printable(str(document['format']))}, not {FORMAT}",
            where=Where(name),
            help="write it again with this version: attn compute FILE -o result.json",
        )
    steps = document.get("steps")
    if not isinstance(steps, dict) or not all(
        isinstance(step, dict) and "values" in step for step in steps.values()
    ):
        command = document.get("command")
        what = f"the JSON of attn {printable(str(command))}" if command else "no result"
        raise AttnError(
            f"{name} is {what}, and has no steps with values",
            where=Where(name),
            help="attn compute FILE -o result.json writes one that has",
        )


def _of_document(document: Mapping[str, Any], name: str, step: str) -> Result:
    """Return a step of a document."""
    made = document["steps"][step]
    axes = tuple(map(str, made.get("axes", ())))
    values = numbers_of(made["values"], f"{name}: {step}", len(axes))
    shared, own = document.get("labels", {}), made.get("labels", {})
    labels = tuple(
        _labels(own.get(axis, shared.get(axis)), size, f"{name}: {axis}")
        for axis, size in zip(axes, values.shape, strict=True)
    )
    words = dict(zip(axes, labels, strict=True))
    result = Result(
        file=name,
        step=step,
        formula=str(made.get("formula", step)),
        role=str(made.get("role", "vector")),
        axes=axes,
        labels=labels,
        values=values,
        legend=_legend(made.get("legend")) or MINUS_INFINITY,
        cross={"query", "key"} <= words.keys() and list(words["query"]) != list(words["key"]),
        settings=document.get("settings", {}),
        warnings=tuple(map(str, document.get("warnings", ()))),
        checked=True,
    )
    visible = document["steps"].get("visible")
    if visible is None or step == "visible" or step not in MARKED:
        return result
    codes = numbers_of(visible["values"], f"{name}: visible", len(axes))
    if codes.shape != values.shape:
        return result
    return _hidden(result, codes.astype(np.intp), _legend(visible.get("legend")) or REASONS)


MARKED = frozenset(stage.name for stage in STAGES if stage.marked)


def numbers_of(values: Any, what: str, axes: int) -> AnyArray:
    """Return nested lists as an array; raise AttnError if they are none, or have other axes."""
    try:
        array = np.array(values, dtype=np.float64)
    except (ValueError, TypeError):
        array = np.zeros(())
    if array.ndim != axes or not array.size:
        raise AttnError(
            f"{what} has values that are not an array of {axes} axes",
            help="it was changed after attn wrote it: write it again",
        )
    return array


def _labels(labels: Any, size: int, what: str) -> Labels:
    """Return the labels of an axis; numbers if there are none."""
    if labels is None:
        return Numbered(range(size))
    if not isinstance(labels, list) or len(labels) < size:
        raise AttnError(f"{what} needs {size} labels", help="it was changed after attn wrote it")
    return tuple(map(str, labels[:size]))


def _legend(legend: Any) -> tuple[str, ...]:
    """Return the meaning of each code, in order."""
    if not isinstance(legend, dict):
        return ()
    return tuple(str(legend.get(str(code), "?")) for code in range(len(legend)))

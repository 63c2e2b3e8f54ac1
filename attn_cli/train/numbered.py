"""Which number of the file is which number of an example's arrays.

A parameter has the shape that the user wrote: a table of words, a matrix of layout columns, the
matrices of all heads side by side. The problem of an example has other arrays: the vectors of its
words, the matrix transposed, one matrix per head. Training needs the way from one to the other, to
put learnt numbers into the problem and to bring gradients back. It is not programmed again for
every key: the file is read once more with the numbers 1, 2, 3, ... in place of those written, and
an array that then holds 5 somewhere has the fifth number of the parameter there.

    as written    embeddings: {not: [0.5, 1.5], like: [2.5, 3.5]}
    numbered      embeddings: {not: [1, 2], like: [3, 4]}
    an example    like not like  ->  X = [[3, 4], [1, 2], [3, 4]]

So X = table.ravel()[[[2, 3], [0, 1], [2, 3]]], counted from 0. The gradient of the table is the sum
of dX over these places: both rows of `like` count. Every key with a gradient is read in this way:
its numbers are chosen, repeated and moved, but not computed with (`unlearnable` refuses the rest).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, Path, dotted, for_both
from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.casting import cast
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.lookup import read_word_table
from attn_cli.sources.matrices.matrix import is_table_file, read_array
from attn_cli.sources.text.scalars import is_number, number
from attn_cli.train.learning import Origin
from attn_cli.train.learnt import EMBEDDINGS, MEMORY, arrays_of

FLOAT = np.dtype(np.float64)


class Written(NamedTuple):
    """A parameter as the file has it; a table of words as one matrix."""

    values: Array
    words: tuple[str, ...] | None = None


def written_parameters(document: Document, base: Problem) -> dict[str, Written]:
    """Return all parameters of the file that can be learnt, by name; `base` is its problem."""
    found: dict[str, Written] = {}
    for name, array in arrays_of(base).items():
        parameter = _parameter_of(name, document)
        node, path = _node(document.tree, parameter), tuple(parameter.split("."))
        if node is None or parameter in found:
            continue
        if parameter == EMBEDDINGS:
            table = read_word_table(document, node, path, (), FLOAT, finite=False)
            assert table is not None  # it was checked
            found[parameter] = Written(np.stack(list(table.vectors.values())), tuple(table.vectors))
        elif is_number(node):
            found[parameter] = Written(np.asarray(number(node, path)))
        else:
            values = cast(read_array(document, node, path), path, FLOAT, finite=False)
            is_line = array.ndim == 1 and values.ndim == 2 and is_table_file(node)
            found[parameter] = Written(values.ravel() if is_line else values)
    return found


def numbered(document: Document, written: Mapping[str, Written]) -> Document:
    """Return the document with the numbers 1, 2, 3, ... in place of those of each parameter.

    It has no text: the original document adds the place to errors.
    """
    tree = {key: node for key, node in document.tree.items() if key != "train"}
    tree["dtype"] = "float64"
    for name, (values, words) in written.items():
        numbers = np.arange(1.0, values.size + 1).reshape(values.shape)
        node: Any = numbers if numbers.ndim else 1.0
        if words is not None:
            node = dict(zip(words, numbers, strict=True))
        _put(tree, name.split("."), node)
    return Document(tree, folder=document.folder, inputs=document.inputs)


def numbered_problem(
    numbered: Document, document: Document, tokens: tuple[str, ...], path: Path
) -> Problem:
    """Return the problem of the example at a path; raise AttnError that names the example."""
    try:
        return read_problem(_with_tokens(numbered, tokens))
    except AttnError as error:
        original = _original(_with_tokens(document, tokens), error)
        message = f"{dotted(path)}: {for_both(original.message)}"
        raise AttnError(message, path=path, help=original.help) from None


def origins(
    problem: Problem, written: Mapping[str, Written], document: Document
) -> dict[str, Origin]:
    """Return the origin of each array of a numbered problem that comes from a parameter."""
    found = {}
    for name, array in arrays_of(problem).items():
        parameter = _parameter_of(name, document)
        if parameter in written:
            found[name] = Origin(parameter, np.asarray(array, dtype=np.intp) - 1)
    return found


def _parameter_of(name: str, document: Document) -> str:
    """Return the parameter that an array of a problem comes from; empty if it cannot be learnt."""
    if name != MEMORY:
        return name
    own = "embeddings" in document.tree["memory"]
    return "" if own else EMBEDDINGS  # words of the memory are looked up in the same table


def _with_tokens(document: Document, tokens: tuple[str, ...]) -> Document:
    return replace(document, tree={**document.tree, "tokens": [*tokens]})


def _original(document: Document, error: AttnError) -> AttnError:
    """Return the error that the numbers of the user give, if they give one."""
    try:
        read_problem(document)
    except AttnError as original:
        return original
    return error


def _node(tree: Any, name: str) -> Any:
    """Return the node at the key path of a parameter, None if there is none."""
    for key in name.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _put(tree: dict[str, Any], path: list[str], node: Any) -> None:
    """Put a node at a path; the mappings on the way are copied, those of the user do not change."""
    for key in path[:-1]:
        tree[key] = dict(tree[key])
        tree = tree[key]
    tree[path[-1]] = node

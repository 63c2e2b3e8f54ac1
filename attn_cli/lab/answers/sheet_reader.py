"""Sheets of answers, read: YAML or JSON with the numbers of steps, or STEP=MATRIX.

weights: [[0.6, 0.4], [0.5, 0.5]]       a matrix; of several heads, one matrix for each
scores: {love: [1.41, 2.83]}            some rows by their words or numbers
output: output.csv                      a file; null for a number that was not given
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from attn_cli.errors import AttnError, Path, did_you_mean, printable
from attn_cli.lab.answers.answer_reader import FORMS, AnswerReader
from attn_cli.lab.answers.sheet import Answer, Sheet
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.pipeline import names as step_names
from attn_cli.maths.stage import CODE
from attn_cli.sources.matrices.document import Document, Known, open_document
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.text.events import parse_kindly


def read_sheet(file: str, inputs: Inputs, base: Base, tolerance: float | None) -> Sheet:
    """Return the answers of a file; raise AttnError, with the place, for the first fault."""
    ending = os.path.splitext(file)[1].lower()
    if ending in {".npz", ".safetensors"} and os.path.exists(file):
        raise _of_a_program(file)
    if ending in {".csv", ".tsv", ".npy"}:
        name = printable(file)
        raise AttnError(
            f"{name} holds one matrix, and does not say of which step",
            help=f"name its step: 'weights={name}'; a sheet is YAML or JSON",
        )
    try:
        document = open_document(file, inputs, Known(step_names(), ()))
    except AttnError as error:
        if error.help is not None and "expected a mapping of keys" in error.help:
            error.help = "write steps and their numbers, such as 'weights: [[0.5, 0.5]]'"
        raise
    if document.text is None:
        raise _of_a_program(file)
    if {"format", "command"} <= document.tree.keys():
        raise AttnError(
            f"{printable(file)} is a result of attn, not a sheet of answers",
            help="attn diff compares two results; a sheet has steps and their numbers alone",
        )
    try:
        return sheet_of(document, base, os.path.splitext(os.path.basename(file))[0], tolerance)
    except AttnError as error:
        raise document.located(error) from None


def _of_a_program(file: str) -> AttnError:
    return AttnError(
        f"{printable(file)} holds arrays that a program wrote, not a sheet of answers",
        help="attn diff compares two results of programs; a sheet is YAML or JSON",
    )


def sheet_of_texts(
    texts: Sequence[str], inputs: Inputs, base: Base, tolerance: float | None
) -> Sheet:
    """Return the sheet of texts STEP=MATRIX, whose matrix is YAML, or STEP=FILE."""
    tree: dict[str, Any] = {}
    options: dict[Path, str] = {}
    for text in texts:
        step, _, value = text.partition("=")
        if step in tree:
            raise AttnError(f"there are two answers for {printable(step)}", help="keep one")
        if not value.strip():
            raise AttnError(f"{printable(step)}= has no numbers", help=FORMS)
        tree[step] = parse_kindly(value, f"{printable(step)}=...").tree
        options[(step,)] = printable(text)
    document = Document(tree, inputs=inputs, options=options)
    try:
        return sheet_of(document, base, "answers", tolerance)
    except AttnError as error:
        raise document.located(error) from None


def sheet_of(document: Document, base: Base, name: str, tolerance: float | None) -> Sheet:
    """Return the answers of a document's tree, in the order in which the steps are computed."""
    meant = {alias: n for n, spec in base.specs.items() for alias in spec.stage.aliases}
    answers: dict[str, Answer] = {}
    for key, node in document.tree.items():
        step = meant.get(key.lower(), key) if key not in base.specs else key
        _refuse_unknown(step, base)
        if step in answers:
            raise AttnError(
                f"there are two answers for {step}",
                path=(key,),
                at_key=True,
                help="they are two names of one step: keep one",
            )
        reader = AnswerReader(document, base.record.steps[step], tolerance)
        answers[step] = reader.answer(node, (key,))
    if not answers:
        raise AttnError(
            "the sheet has no answers", help="write a step and its numbers: weights: [[0.5, 0.5]]"
        )
    return Sheet(name, tuple(answers[step] for step in base.specs if step in answers))


def _refuse_unknown(step: str, base: Base) -> None:
    """Raise AttnError for a step that the problem does not have, or that has no numbers."""
    numbers = [name for name, spec in base.specs.items() if spec.stage.role != CODE]
    if step in numbers:
        return
    what = f"unknown step '{printable(step)}'"
    if step in base.specs:
        what = f"{step} has no numbers to judge: it says which keys are hidden, and why"
    elif step in step_names():
        what = f"this problem has no step '{printable(step)}'"
    raise AttnError(
        what,
        path=(step,),
        at_key=True,
        help=did_you_mean(step, numbers, what="it has", listed=True),
    )

"""`attn next`: the most likely next word."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import (
    BRIEF,
    answer_in_a_pipe,
    answer_on_a_terminal,
    check_sizes,
    check_target,
    deliver,
    deliver_several,
    refuse_steps_of_answer,
    say_what_else,
)
from attn_cli.cli.generate import GenerateOptions
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import (
    Head,
    KeyOptions,
    Lower,
    ProblemOptions,
    ShownOptions,
    Text,
)
from attn_cli.cli.output import OutputOptions
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attn_cli.language.generation import Sampling
    from attn_cli.maths.problem import Problem
    from attn_cli.record import Record
    from attn_cli.sources.matrices.document import Document
    from attn_cli.sources.matrices.files import Inputs


TOP = 5


@dataclass(kw_only=True)
class NextOptions:
    """The options that set the words so far, and how many candidates are shown."""

    file: Annotated[
        Text,
        typer.Argument(
            metavar="FILE", help="Problem file that has the key next_word.", show_default=False
        ),
    ] = None
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORDS]...",
            help="The words so far (default: those of the file); - reads one sequence per line.",
            show_default=False,
        ),
    ] = None
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Compare the attention of several sequences, one per argument."
        ),
    ] = False
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="N", help="Show the N most likely words (default: 5)."),
    ] = None
    head: Head = None
    lower: Lower = False

    def problems(self, keys: KeyOptions, output: OutputOptions) -> list[Problem]:
        """Return one problem per sequence; raise AttnError if one has no next word."""
        from attn_cli.reading.sequences import read_problems
        from attn_cli.sources.matrices.files import twice_from_stdin

        self.check()
        if self.file == "-" and self.words == ["-"]:
            raise twice_from_stdin("the problem", "the words")
        with reading_inputs(output.output, force=output.force) as inputs:
            return read_problems(self.document(keys, inputs))

    def check(self) -> None:
        """Raise AttnError for a value that an option cannot have, or without a file."""
        if self.top is not None and self.top < 1:
            raise AttnError(f"--top must be 1 or more, not {self.top}")
        if self.file is None:
            raise AttnError(
                "FILE is missing: a problem file with next_word in it",
                help="attn samples not_like shows one",
            )

    def document(self, keys: KeyOptions, inputs: Inputs) -> Document:
        """Return the document, with the options and the words put into it."""
        from attn_cli.cli.override import put_sequences, refuse_dash_among

        self._refuse_words_alone()
        document = ProblemOptions(file=self.file, lower=self.lower).document(keys, inputs)
        if "next_word" not in document.tree and "pairs" not in document.tree:
            raise AttnError(
                f"{self.file} has no next_word, so no word can come next",
                help="add next_word: {vocabulary: [...], weights: [[...], ...]}",
            )
        words = self.words or []
        refuse_dash_among(words)
        if words:
            put_sequences(document, words if self.compare else [" ".join(words)])
        elif self.compare and "sequences" not in document.tree:
            raise AttnError(
                "--compare needs several sequences",
                help="write each as one argument: --compare 'not like' 'not hate'",
            )
        return document

    def _refuse_words_alone(self) -> None:
        """Raise AttnError if the first argument is a word instead of a file."""
        name = self.file or ""
        if self.words and "." not in name and "/" not in name and not os.path.exists(name):
            from attn_cli import samples

            if name == "-" or name in samples.names():
                return
            text = printable(" ".join((name, *self.words)))
            raise AttnError(
                f"{printable(name)}: there is no such file",
                help=f"the problem file comes before the words: attn next FILE {text}",
            )


def next_word(
    phrase: NextOptions,
    text: GenerateOptions,
    keys: KeyOptions,
    shown: ShownOptions,
    output: OutputOptions,
) -> int:
    """Predict the next word: in a pipe only the word, on a terminal its weights too.

    \b
    attn next samples/not_like.yaml not like
    attn next samples/not_like.yaml --compare "not like" "not hate" "do like"
    printf 'not like\\ndo hate\\n' | attn next samples/not_like.yaml -
    attn next samples/dog_sentence.yaml --show probabilities
    attn next samples/generation.yaml I am planning --generate 12
    """
    sampling = text.sampling()
    if sampling is not None:
        return _generated(phrase, text.generate or 0, sampling, keys, shown, output)
    return _predicted(phrase, keys, shown, output)


def _predicted(
    phrase: NextOptions, keys: KeyOptions, shown: ShownOptions, output: OutputOptions
) -> int:
    """Show the word after each phrase, and the steps that lead to it."""
    wanted = shown.steps()
    if phrase.compare and shown.asked:
        raise AttnError(
            "--compare shows weights and values, so it goes with neither --show nor --only",
            help="leave out one of the two",
        )
    brief = False
    if not phrase.compare:
        output = answer_in_a_pipe(output, shown=shown.asked or phrase.top is not None)
        brief = answer_on_a_terminal(output, shown=shown.asked)
        wanted = BRIEF if brief else wanted
    refuse_steps_of_answer(output, shown=shown.asked)
    output.check_steps(shown.only)
    check_target(output)
    from attn_cli.engine.run import run
    from attn_cli.maths.problem import Request

    problems = phrase.problems(keys, output)
    beside = phrase.compare and output.name == "table"
    edge = None if beside else output.edge
    request = Request(
        steps=_with_answer(wanted, output),
        edge=edge,
        head=phrase.head,
        top=phrase.top or TOP,
        marks=output.drawn,
    )

    for problem in problems:
        check_sizes(problem, request, output)

    def records() -> Iterator[Record]:
        for problem in problems:
            yield run(problem, request, command="next").chosen(wanted)

    if beside:
        from attn_cli.cli.deliver import deliver_beside

        return deliver_beside(list(records()), output)
    if len(problems) == 1:
        status = deliver(next(records()), output)
    else:
        status = deliver_several(records(), output)
    if brief:
        from attn_cli.maths.pipeline import pipeline

        specs = pipeline(problems[0])
        say_what_else(output, [name for name, spec in specs.items() if not spec.stage.aside])
    return status


def _generated(
    phrase: NextOptions,
    count: int,
    sampling: Sampling,
    keys: KeyOptions,
    shown: ShownOptions,
    output: OutputOptions,
) -> int:
    """Write `count` words that follow those of the phrase, or fewer."""
    from attn_cli.cli.generate import check_format, write_generated

    for given, option in (
        (phrase.compare, "--compare"),
        (shown.asked, "--show and --only"),
        (phrase.head is not None, "--head"),
    ):
        if given:
            raise AttnError(
                f"--generate shows words alone, so it does not go with {option}",
                help="leave out one of the two",
            )
    phrase.check()
    check_format(output)
    output = answer_in_a_pipe(output, shown=phrase.top is not None)
    check_target(output)
    with reading_inputs(output.output, force=output.force) as inputs:
        document = _of_one(phrase.document(keys, inputs))
        sampling = replace(sampling, listed=phrase.top or TOP)
        return write_generated(document, count, sampling, output, ranked=phrase.top is not None)


def _of_one(document: Document) -> Document:
    """Return the document with the words of its one sequence."""
    tree = dict(document.tree)
    sequences = tree.pop("sequences", None)
    if sequences is None:
        return document
    if not isinstance(sequences, list) or len(sequences) != 1:
        raise AttnError(
            "--generate continues one sequence of words, and there are several",
            help="name the words after the file: attn next FILE I am planning --generate 12",
        )
    moved = {**document.moved, ("tokens",): ("sequences", 0)}
    return replace(document, tree={**tree, "tokens": sequences[0]}, moved=moved)


def _with_answer(wanted: tuple[str, ...] | None, output: OutputOptions) -> tuple[str, ...] | None:
    """Return the steps to compute, of which the last gives the answer."""
    if output.name == "answer":
        return ("probabilities",)
    return None if wanted is None else (*wanted, "probabilities")

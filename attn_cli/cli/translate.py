"""`attn translate`: a dictionary as keys and values, words as queries."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import (
    BRIEF,
    answer_in_a_pipe,
    answer_on_a_terminal,
    check_steps,
    check_target,
    deliver,
    deliver_batches,
    deliver_several,
    refuse_steps_of_answer,
    say_what_else,
)
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import Lower, Scale, ShownOptions, Text, score_option
from attn_cli.cli.output import OutputOptions
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, printable
from attn_cli.language.methods import METHODS, UNKNOWN, refuse_other_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attn_cli.language.dictionary import Dictionary, Sentence
    from attn_cli.language.translation import Translation
    from attn_cli.record import Record
    from attn_cli.sources.matrices.files import Inputs


@dataclass(kw_only=True)
class DictionaryOptions:
    """The options that set the words, the dictionary, and how words are looked up."""

    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORDS]...",
            help="A sentence; - (or a pipe without WORDS) reads one sentence per line.",
            show_default=False,
        ),
    ] = None
    dictionary: Annotated[
        Text,
        typer.Option(
            "--dictionary",
            "-d",
            metavar="FILE",
            help="YAML with pairs, or CSV or TSV with two columns (default: French-English).",
        ),
    ] = None
    method: Annotated[
        Text,
        typer.Option(
            "--method", metavar="NAME", help=f"How to look words up: {', '.join(METHODS)}."
        ),
    ] = None
    context: Annotated[
        bool,
        typer.Option(
            "--context",
            help="First let the words attend to each other, by context in the dictionary.",
        ),
    ] = False
    embeddings: Annotated[
        Text,
        typer.Option(
            "--embeddings",
            metavar="FILE",
            help="File of word vectors: .txt, .vec, or .npy with --words.",
        ),
    ] = None
    word_list: Annotated[
        Text,
        typer.Option(
            "--words", metavar="FILE", help="File of the words of the .npy, one per line."
        ),
    ] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if a line of --embeddings is malformed.")
    ] = False
    score: score_option("dot") = None  # type: ignore[valid-type]
    scale: Scale = None
    lower: Lower = False
    unknown: Annotated[
        str,
        typer.Option(
            "--unknown",
            metavar="WHAT",
            help=f"For an unknown word: {', '.join(UNKNOWN)} (default: error).",
            show_default=False,
        ),
    ] = "error"
    top: Annotated[
        int,
        typer.Option(
            "--top",
            metavar="N",
            help="Show the N nearest keys (words of the dictionary).",
            show_default=False,
        ),
    ] = 0

    def check(self) -> None:
        """Raise AttnError for a value that an option cannot have."""
        refuse_other_names(self.method, self.unknown)
        if self.top < 0:
            raise AttnError(f"--top must be 0 or more, not {self.top}")
        if self.embeddings is None and (self.strict or self.word_list is not None):
            option = "--strict" if self.strict else "--words"
            raise AttnError(f"{option} belongs to --embeddings", help="add --embeddings FILE")
        if self.embeddings is not None and self.method == "one-hot":
            raise AttnError(
                "--embeddings mean nothing to the method one-hot",
                help="leave out one of the two, or use --method embeddings",
            )

    def batches(self, output: OutputOptions) -> Iterator[list[Translation]]:
        """Yield validated translations, in batches if they come from standard input.

        Unless the answers alone are written, all are one batch.
        """
        from attn_cli.cli.talk import say
        from attn_cli.language.dictionary import read_dictionary

        with reading_inputs(output.output, force=output.force) as inputs:
            dictionary = read_dictionary(self.dictionary, inputs)
            self._put_options(dictionary)
            note = not output.quiet
            for sentences in self._sentences(dictionary, inputs, output):
                found = dictionary.translations(
                    sentences, self.method, context=self.context, unknown=self.unknown
                )
                scale = dictionary.chosen_scale
                if note and scale is not None:
                    with_scale = f" with scale {scale}" if scale else ""
                    say(
                        "note: vectors of a file are compared by their angle, score "
                        f"cosine{with_scale}: --score scaled compares them by the dot product"
                    )
                note = False
                yield found

    def _put_options(self, dictionary: Dictionary) -> None:
        """Put the values of options into the dictionary's document."""
        from attn_cli.cli.override import put_embeddings, put_keys

        given = {"score": self.score, "scale": self.scale}
        put_keys(dictionary.document, {k: v for k, v in given.items() if v is not None})
        if self.embeddings is not None:
            put_embeddings(dictionary.document, self.embeddings, self.word_list, strict=self.strict)
        dictionary.lower = dictionary.lower or self.lower

    def _sentences(
        self, dictionary: Dictionary, inputs: Inputs, output: OutputOptions
    ) -> Iterator[list[Sentence]]:
        """Yield batches of sentences, each with its text, its words, its place."""
        from attn_cli.cli.arriving import batches_of_lines
        from attn_cli.cli.override import lines_of, refuse_dash_among
        from attn_cli.language.dictionary import Sentence

        words = self.words or []
        refuse_dash_among(words)
        if words and words != ["-"]:
            yield [_with_words(Sentence(" ".join(words), dictionary.words(words)))]
            return
        if not words and getattr(sys.stdin, "isatty", lambda: False)():
            raise AttnError(
                "there is nothing to translate",
                help="attn translate le chat, or one sentence per line on standard input",
            )
        wanted_for, what = "the words", "sentence"
        if output.name == "answer":
            batches = batches_of_lines(inputs, wanted_for, what)
        else:
            batches = iter([[(t.strip(), at) for t, at in lines_of(inputs, wanted_for, what)]])
        for lines in batches:
            found = [Sentence(line, dictionary.words([line]), at) for line, at in lines]
            yield [_with_words(sentence) for sentence in found]


def _with_words(sentence: Sentence) -> Sentence:
    """Return a sentence; raise AttnError if it has no word."""
    if not sentence.words:
        from attn_cli.errors import Where

        raise AttnError(
            f"there is no word in '{printable(sentence.text)}'",
            where=Where(sentence.place),
            help="a word has letters",
        )
    return sentence


def translate(look_up: DictionaryOptions, shown: ShownOptions, output: OutputOptions) -> int:
    """Translate words by attention: the words are Q, the dictionary is K and V.

    In a pipe only the answer is written, on a terminal the answer and its weights.

    \b
    attn translate ci-dessous
    attn translate le chat est sous la table
    attn translate --dictionary samples/tennis.yaml --context "I love tennis"
    attn translate chats --top 3 --show q,weights
    """
    look_up.check()
    wanted = shown.steps()
    output = answer_in_a_pipe(output, shown=shown.asked or look_up.top > 0)
    brief = answer_on_a_terminal(output, shown=shown.asked)
    refuse_steps_of_answer(output, shown=shown.asked)
    output.check_steps(shown.only)
    check_target(output)
    from attn_cli.language.translation import answers
    from attn_cli.language.translation import translate as translated

    needed = BRIEF if brief else wanted
    steps: dict[str, None] = {}

    def records(translations: list[Translation]) -> Iterator[Record]:
        for each in translations:
            record = translated(each, top=look_up.top, edge=output.edge, steps=needed)
            steps.update(dict.fromkeys(record.steps))
            yield record.chosen(BRIEF if brief else wanted)

    batches = look_up.batches(output)
    if output.name == "answer":
        return deliver_batches((answers(each, top=look_up.top) for each in batches), output)
    (translations,) = batches
    if not output.view().several and all(each.query is None for each in translations):
        raise AttnError(
            f"there is nothing to write as {output.name}: no word is known",
            help="choose another format, or other words",
        )
    if wanted is not None:
        from attn_cli.language.planned import refuse_unknown

        refuse_unknown(translations, wanted)
    if output.view().bounded:
        _check_planned(translations, needed, output)
    if len(translations) == 1:
        status = deliver(next(records(translations)), output)
    else:
        status = deliver_several(records(translations), output)
    if brief:
        say_what_else(output, steps)
    return status


def _check_planned(
    translations: list[Translation], names: tuple[str, ...] | None, output: OutputOptions
) -> None:
    """Raise AttnError, before anything is computed, for a step that is too large for the format."""
    from attn_cli.language.planned import planned

    for each in translations:
        steps = planned(each)
        check_steps((steps[name] for name in steps if names is None or name in names), output)

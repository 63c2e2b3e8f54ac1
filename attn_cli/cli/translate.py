"""`attn translate`: a dictionary as keys and values, words as queries."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import (
    BRIEF,
    answer_in_a_pipe,
    answer_on_a_terminal,
    check_target,
    deliver,
    deliver_several,
    say_what_else,
)
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import Lower, Scale, ShownOptions, Text, score_option
from attn_cli.cli.output import OutputOptions
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError
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

    def read(self, output: OutputOptions) -> list[Translation]:
        """Return the validated translations."""
        from attn_cli.language.dictionary import read_dictionary

        with reading_inputs(output.output, force=output.force) as inputs:
            dictionary = read_dictionary(self.dictionary, inputs)
            self._put_options(dictionary)
            return dictionary.translations(
                self._sentences(dictionary, inputs),
                self.method,
                context=self.context,
                unknown=self.unknown,
            )

    def _put_options(self, dictionary: Dictionary) -> None:
        """Put the values of options into the dictionary's document."""
        from attn_cli.cli.override import put_embeddings, put_keys

        given = {"score": self.score, "scale": self.scale}
        put_keys(dictionary.document, {k: v for k, v in given.items() if v is not None})
        if self.embeddings is not None:
            put_embeddings(dictionary.document, self.embeddings, self.word_list, strict=self.strict)
        dictionary.lower = dictionary.lower or self.lower

    def _sentences(self, dictionary: Dictionary, inputs: Inputs) -> list[Sentence]:
        """Return each sentence: its text, its words, its place."""
        from attn_cli.cli.override import lines_of, refuse_dash_among
        from attn_cli.errors import Where
        from attn_cli.language.dictionary import Sentence

        words = self.words or []
        refuse_dash_among(words)
        if words and words != ["-"]:
            found = [Sentence(" ".join(words), dictionary.words(words))]
        elif words or not getattr(sys.stdin, "isatty", lambda: False)():
            lines = [(t.strip(), at) for t, at in lines_of(inputs, "the words", "sentence")]
            found = [Sentence(line, dictionary.words([line]), at) for line, at in lines]
        else:
            raise AttnError(
                "there is nothing to translate",
                help="attn translate le chat, or one sentence per line on standard input",
            )
        for text, parts, place in found:
            if not parts:
                raise AttnError(
                    f"there is no word in '{text}'", where=Where(place), help="a word has letters"
                )
        return found


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
    output.check_steps(shown.only)
    check_target(output)
    translations = look_up.read(output)
    from attn_cli.language.translation import translate as translated

    steps: dict[str, None] = {}

    def records() -> Iterator[Record]:
        for each in translations:
            record = translated(each, top=look_up.top, edge=output.edge)
            steps.update(dict.fromkeys(record.steps))
            yield record.chosen(BRIEF if brief else wanted)

    if not output.view().several and all(each.problem is None for each in translations):
        raise AttnError(
            f"there is nothing to write as {output.name}: no word is known",
            help="choose another format, or other words",
        )
    if len(translations) == 1:
        status = deliver(next(records()), output)
    else:
        status = deliver_several(records(), output)
    if brief:
        say_what_else(output, steps)
    return status

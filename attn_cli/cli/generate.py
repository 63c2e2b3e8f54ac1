"""The options of `attn next` that generate a text, and the words as they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import deliver
from attn_cli.cli.options import Text, number_of
from attn_cli.cli.output import OutputOptions
from attn_cli.cli.talk import say
from attn_cli.cli.write import opened
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, ExitStatus, printable

if TYPE_CHECKING:
    from attn_cli.language.generation import Sampling
    from attn_cli.record import Choice
    from attn_cli.sources.matrices.document import Document


@dataclass(kw_only=True)
class GenerateOptions:
    """How many words are generated, and how each is chosen."""

    generate: Annotated[
        int | None,
        typer.Option(
            "--generate", metavar="N", help="Generate N words, or fewer: until next_word.end."
        ),
    ] = None
    sample: Annotated[
        Text,
        typer.Option(
            "--sample",
            metavar="T",
            help="Draw each word at temperature T (default: 0, the likeliest word).",
            show_default=False,
        ),
    ] = None
    sample_top: Annotated[
        int | None,
        typer.Option("--sample-top", metavar="K", help="Draw from the K likeliest words."),
    ] = None
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Seed of --sample (default: 0).")
    ] = None

    def sampling(self) -> Sampling | None:
        """Return how words are chosen; None if none are generated.

        Raises AttnError for a value that an option cannot have.
        """
        from attn_cli.language.generation import Sampling

        if self.generate is None:
            for name in ("sample", "sample_top", "seed"):
                if getattr(self, name) is not None:
                    option = f"--{name.replace('_', '-')}"
                    raise AttnError(f"{option} belongs to --generate", help="add --generate 12")
            return None
        if self.generate < 1:
            raise AttnError(f"--generate must be 1 or more, not {self.generate}")
        temperature = 0.0 if self.sample is None else number_of("--sample", self.sample)
        if temperature < 0:
            raise AttnError(
                f"--sample must be 0 or more, not {temperature:g}",
                help="0 takes the likeliest word, 1 draws with the probabilities of the problem",
            )
        for name in ("sample_top", "seed"):
            value, least = getattr(self, name), 0 if name == "seed" else 1
            option = f"--{name.replace('_', '-')}"
            if value is not None and self.sample is None:
                raise AttnError(f"{option} belongs to --sample", help="add --sample 1")
            if value is not None and temperature == 0:
                raise AttnError(
                    f"--sample 0 takes the likeliest word, so it does not go with {option}",
                    help="write --sample 1, or leave out one of the two",
                )
            if value is not None and value < least:
                raise AttnError(f"{option} must be {least} or more, not {value}")
        return Sampling(temperature=temperature, top=self.sample_top, seed=self.seed or 0)


def check_format(output: OutputOptions) -> None:
    """Raise AttnError for a format that holds steps, of which generated words have none."""
    output.check()
    if not output.answers:
        fitting = [
            name for name, view in output.views().items() if not (view.one_step or view.binary)
        ]
        raise AttnError(
            f"{output.name} holds numbers of steps, and --generate shows words alone",
            help=f"formats that hold words: {', '.join(fitting)}",
        )


def write_generated(
    document: Document, count: int, sampling: Sampling, output: OutputOptions, *, ranked: bool
) -> int:
    """Write the generated words: to standard output as they come, else when all are there.

    `ranked`: whether each word comes with the likeliest ones, if no format is given.
    """
    from attn_cli.language.generation import end_of, generate, recorded

    words = generate(document, count, sampling)
    alone = output.format == "answer" or (output.format is None and not ranked)
    if alone and output.output in {None, "-"}:
        # The problem is read with the first word: only then is `end` known to be right.
        shown = (each for each in words if each.answer != end_of(document))
        return _write_as_they_come(shown, output)
    return deliver(recorded(document, list(words)), output)


def _write_as_they_come(words: Iterator[Choice], output: OutputOptions) -> ExitStatus:
    doubts = []
    with opened(None) as out:
        for at, chosen in enumerate(words):
            out.write((" " * (at > 0) + printable(chosen.answer)).encode())
            doubts += [chosen.doubt] if chosen.doubt else []
        out.write(b"\n")
    for doubt in doubts if not output.quiet else []:
        say(f"warning: {printable(doubt)}")
    return ExitStatus.DONE

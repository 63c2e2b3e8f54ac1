"""`attn train`: learn the numbers of a problem file from examples, and write it anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import check_place, check_target, deliver, emit
from attn_cli.cli.formats import choose_format
from attn_cli.cli.inputs import Force, reading_inputs
from attn_cli.cli.options import OutputOptions, Text
from attn_cli.cli.talk import say
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, ExitStatus, printable
from attn_cli.views import FORMATS

if TYPE_CHECKING:
    from attn_cli.sources.matrices.document import Document
    from attn_cli.train.learning import State, Training

GRADIENT_FORMATS = {n: f for n, f in FORMATS.items() if not f.one_step and n != "answer"}


@dataclass(kw_only=True)
class TrainOptions:
    """What is learnt, from what, and where it goes."""

    file: Annotated[
        Text,
        typer.Argument(
            metavar="FILE",
            help="Problem file: YAML or JSON; - for standard input.",
            show_default=False,
        ),
    ] = None
    output: Annotated[
        Text,
        typer.Option(
            "--output",
            "-o",
            metavar="TRAINED",
            help="Write the trained file; - for standard output.",
        ),
    ] = None
    force: Force = False
    steps: Annotated[
        Text,
        typer.Option(
            "--steps", metavar="N", help="Number of steps; replaces train.steps (default: 300)."
        ),
    ] = None
    learning_rate: Annotated[
        Text,
        typer.Option(
            "--learning-rate",
            metavar="NUMBER",
            help="Learning rate; replaces train.learning_rate (default: 0.05).",
        ),
    ] = None
    seed: Annotated[
        Text, typer.Option("--seed", metavar="N", help="Seed; replaces train.seed (default: 0).")
    ] = None
    show_gradients: Annotated[
        bool,
        typer.Option(
            "--show-gradients", help="Show the gradients of the first step instead of training."
        ),
    ] = False
    format: Annotated[
        Text,
        typer.Option(
            "--format", "-f", metavar="FORMAT", help=f"Of gradients: {', '.join(GRADIENT_FORMATS)}."
        ),
    ] = None

    def gradient_output(self) -> OutputOptions:
        """Return how the gradients are shown and where they go."""
        name = choose_format(GRADIENT_FORMATS, self.format, self.output)
        output = OutputOptions(format=name, output=self.output)
        check_target(output)
        return output

    def trained_output(self) -> str:
        """Return where the trained file goes; raise AttnError where it is not said."""
        if self.format is not None:
            raise AttnError(
                "--format belongs to --show-gradients",
                help="the trained file is the problem file with other numbers in it",
            )
        if self.output is None:
            raise AttnError(
                "-o TRAINED is missing",
                help="say where the trained file goes: -o trained.yaml, or -o - for standard "
                "output; --show-gradients shows gradients and trains nothing",
            )
        other = self.output.lower().endswith((".npy", ".npz", ".csv", ".tsv", ".md"))
        if other:
            raise AttnError(
                f"{self.output} cannot hold a problem file: that is YAML, or JSON as the file was",
                help="write -o trained.yaml",
            )
        check_place(self.output)
        return self.output

    def read(self) -> tuple[Document, Training]:
        """Return the document, which is to be rewritten, and the training that it asks for."""
        from attn_cli.reading.schema import read_document
        from attn_cli.train.training_reader import read_training

        if self.file is None:
            raise AttnError(
                "FILE is missing: a problem file with train.examples in it",
                help="attn samples not_like shows one",
            )
        with reading_inputs(self._replaced(), force=self.force) as inputs:
            document = read_document(self.file, inputs)
            self._put_options(document)
            return document, read_training(document)

    def _replaced(self) -> str | None:
        """Return the output that may be none of the inputs: training may replace its own file."""
        if self.file is None or self.output is None or self.show_gradients:
            return self.output
        try:
            return None if os.path.samefile(self.file, self.output) else self.output
        except (OSError, ValueError):  # one of them is not there
            return self.output

    def _put_options(self, document: Document) -> None:
        """Put what options say into the keys of the file."""
        for name in ("steps", "learning_rate", "seed"):
            text = getattr(self, name)
            if text is not None:
                option = f"--{name.replace('_', '-')} {printable(text)}"
                document.replace(("train", name), text, option)


def train(options: TrainOptions) -> int:
    """Train the weights of a problem file on its examples, and write the trained file.

    \b
    attn train samples/not_like.yaml -o trained.yaml
    attn train samples/dog_sentence.yaml -o trained.yaml --seed 3 --steps 50
    attn train samples/not_like.yaml --show-gradients
    """
    if options.show_gradients:
        output = options.gradient_output()
        from attn_cli.train.learning import gradient_record

        document, training = options.read()
        with _placed(document):
            record = gradient_record(training)
        return deliver(record, output)
    target = options.trained_output()
    document, training = options.read()
    from attn_cli.train.rewrite import rewritten

    with _placed(document):
        first, last = _learnt(training)
    emit(rewritten(document, last.values), (), target, drawn=False)
    say(
        f"loss {first.loss:.4g} -> {last.loss:.4g} in {_count(last.step, 'step')}; "
        f"{last.right} of {_count(len(training.examples), 'example')} right"
    )
    return ExitStatus.DONE


@contextmanager
def _placed(document: Document) -> Iterator[None]:
    """Give an error that comes up in computing its place in the file."""
    try:
        yield
    except AttnError as error:
        raise document.located(error) from None


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _learnt(training: Training) -> tuple[State, State]:
    """Train, and return the first and the last state."""
    from attn_cli.cli.progress import training as shown
    from attn_cli.train.learning import train as states

    with shown() as tell:
        running = states(training)
        first = last = next(running)
        for last in running:
            tell(last.step, training.steps, f"loss {last.loss:.4g}")
    return first, last

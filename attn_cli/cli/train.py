"""`attn train`: learn the numbers of a problem file from examples, and write the trained file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attn_cli.cli.deliver import check_place, check_target, deliver, emit
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.output import OutputOptions, Text
from attn_cli.cli.talk import say
from attn_cli.cli.write import write_file
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, ExitStatus, printable
from attn_cli.views import VIEWS, View

if TYPE_CHECKING:
    from attn_cli.sources.matrices.document import Document
    from attn_cli.train.learning import State, Training


@dataclass(kw_only=True)
class TrainOptions:
    """The problem file, and the settings of the training."""

    file: Annotated[
        Text,
        typer.Argument(
            metavar="FILE",
            help="Problem file: YAML or JSON; - for standard input.",
            show_default=False,
        ),
    ] = None
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
    held_out: Annotated[
        Text,
        typer.Option(
            "--held-out",
            metavar="SHARE",
            help="Learn nothing from this share of the examples, and show their loss too.",
        ),
    ] = None
    log: Annotated[
        Text,
        typer.Option("--log", metavar="FILE", help="Write the loss of each step to FILE, as CSV."),
    ] = None
    show_gradients: Annotated[
        bool,
        typer.Option(
            "--show-gradients", help="Show the gradients of the first step instead of training."
        ),
    ] = False

    def read(self, output: TrainOutput) -> tuple[Document, Training]:
        """Return the document, which will be rewritten, and its training."""
        from attn_cli.reading.schema import read_document
        from attn_cli.train.training_reader import read_training

        if self.file is None:
            raise AttnError(
                "FILE is missing: a problem file with train.examples in it",
                help="attn samples not_like shows one",
            )
        with reading_inputs(self._replaced(output.output), force=output.force) as inputs:
            document = read_document(self.file, inputs)
            self._put_options(document)
            return document, read_training(document)

    def _replaced(self, output: str | None) -> str | None:
        """Return the output that must not be an input; None for the problem file, which may be."""
        if self.file is None or output is None or self.show_gradients:
            return output
        try:
            return None if os.path.samefile(self.file, output) else output
        except (OSError, ValueError):  # one of the files does not exist
            return output

    def check_log(self, target: str) -> None:
        """Raise AttnError if the log cannot be written, or would replace another file in use."""
        if self.log is None:
            return
        check_place(self.log)
        for other, what in ((self.file, "the problem file"), (target, "the trained file")):
            if other not in {None, "-"} and os.path.realpath(self.log) == os.path.realpath(other):
                raise AttnError(
                    f"--log {printable(self.log)} is {what}",
                    help="name another file: --log loss.csv",
                )

    def _put_options(self, document: Document) -> None:
        """Put the values of options into the document."""
        for name in ("steps", "learning_rate", "seed", "held_out"):
            text = getattr(self, name)
            if text is not None:
                option = f"--{name.replace('_', '-')} {printable(text)}"
                document.replace(("train", name), text, option)


@dataclass(kw_only=True)
class TrainOutput(OutputOptions):
    """The options of output: of the trained file, or of gradients."""

    warns = False
    shades = False
    leads = "Of gradients: "

    output: Annotated[
        Text,
        typer.Option(
            "--output",
            "-o",
            metavar="TRAINED",
            help="Write the trained file; - for standard output.",
        ),
    ] = None
    full: bool = True  # gradients are always shown whole

    @classmethod
    def offered(cls) -> dict[str, Any]:
        """Return the options without --full: gradients are always shown in full."""
        return {name: hint for name, hint in super().offered().items() if name != "full"}

    @classmethod
    def views(cls, *results: str) -> dict[str, View]:
        """Return the views that hold all gradients, not just one step or an answer."""
        of_records = super().views(*results)
        return {
            name: view
            for name, view in of_records.items()
            if not view.one_step and not view.needs_answer
        }

    def trained(self) -> str:
        """Return the path of the trained file; raise AttnError if no option gives it."""
        usual = type(self)()
        self.check_color()
        others = {"output", "force"} if self.color == "always" else {"output", "force", "color"}
        for option in self.offered():
            if option not in others and getattr(self, option) != getattr(usual, option):
                raise AttnError(
                    f"--{option} belongs to --show-gradients",
                    help="the trained file is the problem file with other numbers in it",
                )
        if self.output is None:
            raise AttnError(
                "-o TRAINED is missing",
                help="say where the trained file goes: -o trained.yaml, or -o - for standard "
                "output; --show-gradients shows gradients and trains nothing",
            )
        if self.output.lower().endswith(_suffixes_of_results()):
            raise AttnError(
                f"{self.output} cannot hold a problem file: that is YAML, or JSON as the file was",
                help="write -o trained.yaml",
            )
        check_place(self.output)
        return self.output


def _suffixes_of_results() -> tuple[str, ...]:
    """Return the suffixes of files that hold results, and so no problem."""
    every = {suffix for view in VIEWS.of(*VIEWS.results).values() for suffix in view.suffixes}
    return tuple(every - {".json", ".jsonl", ".txt", ".yaml", ".yml"})


def train(options: TrainOptions, output: TrainOutput) -> int:
    """Train the weights of a problem file on its examples, and write the trained file.

    \b
    attn train samples/not_like.yaml -o trained.yaml
    attn train samples/dog_sentence.yaml -o trained.yaml --seed 3 --steps 50
    attn train samples/not_like.yaml --show-gradients
    """
    if options.show_gradients:
        if options.log is not None:
            raise AttnError(
                "--log belongs to training, and --show-gradients trains nothing",
                help="leave out one of the two",
            )
        output.check()
        check_target(output)
        from attn_cli.train.learning import gradient_record

        document, training = options.read(output)
        with _placed(document):
            record = gradient_record(training)
        return deliver(record, output)
    target = output.trained()
    options.check_log(target)
    document, training = options.read(output)
    log = None if options.log is None else Log(training)
    with _placed(document):
        first, last = _learnt(training, log)
    _write_trained(document, last, target)
    if log is not None and options.log is not None:
        write_file(options.log, log.text)
    say(
        f"loss {first.loss:.4g} -> {last.loss:.4g} in {_count(last.step, 'step')}; "
        f"{last.right} of {_count(training.count, 'example')} right"
    )
    if training.held_out:
        from attn_cli.train.learning import measured_alone

        loss, right = measured_alone(training.held_out, last.values)
        count = sum(group.answers for group in training.held_out)
        say(f"held out: loss {loss:.4g}; {right} of {_count(count, 'example')} right")
    return ExitStatus.DONE


def _write_trained(document: Document, last: State, target: str) -> None:
    """Write the trained file, and before it the archive of its large arrays, if there are any."""
    from attn_cli.train.rewrite import archived, rewritten

    outside = {} if target == "-" else archived(document, last.values)
    if not outside:
        emit(rewritten(document, last.values), (), target, drawn=False)
        return
    from io import BytesIO

    import numpy as np

    beside = os.path.splitext(target)[0] + ".npz"
    text = rewritten(document, last.values, os.path.basename(beside))
    check_place(beside)
    data = BytesIO()
    arrays: dict[str, Any] = {n: np.ascontiguousarray(value) for n, value in outside.items()}
    np.savez(data, **arrays)
    write_file(beside, data.getvalue())
    emit(text, (), target, drawn=False)
    say(f"note: {printable(beside)} has {', '.join(outside)}")


class Log:
    """The losses of all steps as CSV: of the examples, and of those that are held out."""

    def __init__(self, training: Training) -> None:
        self._held_out = training.held_out
        held_out = ",held_out_loss,held_out_right" if training.held_out else ""
        self._lines = [f"step,loss,right{held_out}"]

    def add(self, state: State) -> None:
        """Add the line of a step."""
        from attn_cli.train.learning import measured_alone

        numbers: list[float] = [state.step, state.loss, state.right]
        if self._held_out:
            numbers += measured_alone(self._held_out, state.values)
        self._lines.append(",".join(map(repr, numbers)))

    @property
    def text(self) -> str:
        """The whole file."""
        return "\n".join(self._lines) + "\n"


@contextmanager
def _placed(document: Document) -> Iterator[None]:
    """Give an error of the computation its place in the file."""
    try:
        yield
    except AttnError as error:
        raise document.located(error) from None


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _learnt(training: Training, log: Log | None) -> tuple[State, State]:
    """Train, and return the first and the last state; every state goes to the log."""
    from attn_cli.cli.progress import training as shown
    from attn_cli.train.learning import train as states

    with shown() as tell:
        running = states(training)
        first = last = next(running)
        if log is not None:
            log.add(first)
        for last in running:
            if log is not None:
                log.add(last)
            tell(last.step, training.steps, f"loss {last.loss:.4g}")
    return first, last

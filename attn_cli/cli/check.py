"""`attn check`: a sheet of answers judged, or what an exercise can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import check_target, deliver
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import KeyOptions, ProblemOptions, number_of
from attn_cli.cli.output import OutputOptions
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, printable

if TYPE_CHECKING:
    from attn_cli.lab.answers.sheet import Sheet
    from attn_cli.lab.variants import Base
    from attn_cli.sources.matrices.document import Document
    from attn_cli.sources.matrices.files import Inputs


@dataclass(kw_only=True)
class CheckOptions:
    """The exercise, and the answers to it."""

    problem: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROBLEM]",
            help="Problem file: YAML or JSON; - for standard input.",
            show_default=False,
        ),
    ] = None
    answers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ANSWERS]...",
            help="Sheets of answers, YAML or JSON; or STEP=FILE, STEP=MATRIX.",
            show_default=False,
        ),
    ] = None
    tolerance: Annotated[
        str | None,
        typer.Option(
            "--tolerance",
            metavar="T",
            help="How far a number may be off (default: half a unit of its last decimal).",
        ),
    ] = None

    def allowed(self) -> float | None:
        """Return the tolerance; None for the rule of the decimals that were written."""
        if self.tolerance is None:
            return None
        if not self.answers:
            raise AttnError(
                "--tolerance belongs to answers, and there are none",
                help="name a sheet of answers after the problem",
            )
        tolerance = number_of("--tolerance", self.tolerance)
        if tolerance < 0:
            raise AttnError(f"--tolerance must be 0 or more, not {tolerance:g}")
        return tolerance

    def document(self, keys: KeyOptions, inputs: Inputs) -> Document:
        """Return the document of the problem, with the options put into it."""
        return ProblemOptions(file=self.problem).document(keys, inputs)

    def sheets(self, base: Base, inputs: Inputs) -> list[Sheet]:
        """Return the sheets, or the one that STEP=... arguments make."""
        from attn_cli.lab.answers.sheet_reader import read_sheet, sheet_of_texts

        answers, tolerance = self.answers or [], self.allowed()
        texts = [text for text in answers if _is_assignment(text)]
        if not texts:
            return [read_sheet(file, inputs, base, tolerance) for file in answers]
        if len(texts) < len(answers):
            file = next(text for text in answers if text not in texts)
            raise AttnError(
                f"'{printable(file)}' is a sheet, and '{printable(texts[0])}' one of its steps",
                help="give sheets alone, or STEP=... alone",
            )
        return [sheet_of_texts(texts, inputs, base, tolerance)]


def _is_assignment(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.isidentifier()


class CheckOutput(OutputOptions):
    """How the judgement is shown and where it goes."""

    results = ("Judged", "Graded", "Mistakes")


def check(asked: CheckOptions, keys: KeyOptions, output: CheckOutput) -> int:
    """Judge answers step by step, and name the mistake that gives the numbers of a wrong one.

    Without answers: what each usual mistake would give for this exercise, and which mistakes it
    cannot show. The exit status is 1 if an answer is wrong.

    \b
    attn check samples/love_coding.yaml 'weights={love: [0.42, 0.16, 0.42]}'
    attn check samples/two_heads.yaml
    attn check samples/two_heads.yaml --format csv
    attn samples scaled | attn check - 'q=[[1, 2, 0, 1], [0, 1, 3, 1]]'
    """
    output.check()
    check_target(output)
    asked.allowed()
    from attn_cli.lab.variants import Base

    with reading_inputs(output.output, force=output.force) as inputs:
        document = asked.document(keys, inputs)
        base = Base.read(document)
        sheets = asked.sheets(base, inputs)
    if not asked.answers:
        from attn_cli.lab.answers.showing import mistakes

        return deliver(mistakes(base), output)
    from attn_cli.lab.answers.judgement import Graded
    from attn_cli.lab.answers.judging import judge_all

    judged = tuple(judge_all(base, sheets))
    if len(judged) == 1:
        return deliver(judged[0], output)
    return deliver(Graded(command="check", sheets=judged, warnings=base.record.warnings), output)

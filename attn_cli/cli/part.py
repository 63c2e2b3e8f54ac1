"""The part of a step that is looked at: a batch entry, some heads, a range of queries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.options import KeyOptions, ProblemOptions
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, printable

if TYPE_CHECKING:
    from attn_cli.lab.drawing import Chosen
    from attn_cli.reading.results import Result
    from attn_cli.sources.matrices.files import Inputs


@dataclass(kw_only=True)
class PartOptions:
    """The part of a step that is looked at."""

    head: Annotated[
        str,
        typer.Option(
            "--head",
            metavar="N,N",
            help="Take some heads, from 0 (default: all).",
            show_default=False,
        ),
    ] = "all"
    batch: Annotated[
        int | None, typer.Option("--batch", metavar="N", help="Take one batch entry, from 0.")
    ] = None
    rows: Annotated[
        str | None,
        typer.Option("--rows", metavar="A:B", help="Take the queries from A to B, without B."),
    ] = None

    def chosen(self) -> Chosen:
        """Return the part; raise AttnError for a malformed list or range."""
        from attn_cli.lab.drawing import Chosen

        return Chosen(self.batch, self._heads(), self._rows())

    def _heads(self) -> tuple[int, ...] | None:
        if self.head == "all":
            return None
        if not re.fullmatch(r"\d{1,9}(\s*,\s*\d{1,9})*", self.head, re.ASCII):
            raise AttnError(
                f"--head cannot be '{printable(self.head)}'",
                help="write the numbers of heads, from 0, with commas: --head 0,3; or --head all",
            )
        heads = tuple(map(int, self.head.split(",")))
        for at, head in enumerate(heads):
            if head in heads[:at]:
                raise AttnError(
                    f"--head {printable(self.head)} names head {head} twice",
                    help=f"write --head {','.join(map(str, dict.fromkeys(heads)))}",
                )
        return heads

    def _rows(self) -> tuple[int | None, int | None] | None:
        if self.rows is None:
            return None
        found = re.fullmatch(r"(\d{0,15}):(\d{0,15})", self.rows, re.ASCII)
        if found is None:
            raise AttnError(
                f"--rows cannot be '{printable(self.rows)}'",
                help="write A:B, from query A up to, not including, query B: --rows 0:100",
            )
        first, stop = (int(text) if text else None for text in found.groups())
        return first, stop


def read_stored(
    problem: ProblemOptions, keys: KeyOptions, step: str, part: PartOptions, inputs: Inputs
) -> Result | None:
    """Return the step that the file holds, with the words of options; None if it is a problem."""
    if problem.file is None:
        return None
    from attn_cli.reading.results import named, read_result

    alone = part.batch is not None and part.head == "all"
    result = read_result(problem.file, inputs, step, of_batch=alone)
    if result is None:
        return None
    from attn_cli.cli.override import words_alone

    document = words_alone(problem.file, problem.given(keys), keys.set, inputs)
    try:
        return named(result, document, part.batch)
    except AttnError as error:
        raise document.located(error) from None

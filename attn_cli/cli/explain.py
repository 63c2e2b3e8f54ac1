"""`attn explain`: how a number came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import check_target, deliver
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import Batch, Head, KeyOptions, ProblemOptions
from attn_cli.cli.output import OutputOptions
from attn_cli.cli.resources import Memory, memory_of
from attn_cli.dataclass import dataclass

if TYPE_CHECKING:
    from attn_cli.lab.derivation.choice import Asked
    from attn_cli.maths.problem import Problem


@dataclass(kw_only=True)
class CellOptions:
    """Which number is explained, or which row."""

    query_token: Annotated[
        str | None,
        typer.Option(
            "--query-token",
            metavar="WORD|INDEX",
            help="Explain this query (default: the one whose largest weight is largest).",
            show_default=False,
        ),
    ] = None
    key_token: Annotated[
        str | None,
        typer.Option(
            "--key-token",
            metavar="WORD|INDEX",
            help="Explain this key (default: the whole row of the query).",
            show_default=False,
        ),
    ] = None
    head: Head = None
    batch: Batch = None
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="STEP",
            help="Explain this step (default: weights), e.g. output or probabilities.",
            show_default=False,
        ),
    ] = "weights"
    memory: Memory = None

    def asked(self, problem: Problem) -> Asked:
        """Return the place asked for; raise AttnError for a word that is not there."""
        from attn_cli.lab.derivation.choice import Asked
        from attn_cli.sources.text.tokens import find_token

        queries, keys = problem.query_tokens, problem.key_tokens
        return Asked(
            batch=self.batch,
            head=self.head,
            query=None if self.query_token is None else find_token(queries, self.query_token),
            key=None if self.key_token is None else find_token(keys, self.key_token, what="key"),
            memory=memory_of(self.memory),
        )


class ExplainOutput(OutputOptions):
    """How the derivation is shown and where it goes."""

    results = ("Derivation",)


def explain(
    problem: ProblemOptions, keys: KeyOptions, cell: CellOptions, output: ExplainOutput
) -> int:
    """Work a number out: every line of its arithmetic, every product written out.

    \b
    attn explain samples/two_heads.yaml --query-token cat --key-token milk --head 0
    attn explain samples/love_coding.yaml --query-token love
    attn explain samples/dog_sentence.yaml --only output --format latex
    attn samples additive | attn explain - --format markdown
    """
    output.check()
    check_target(output)
    from attn_cli.lab.derivation.derive import derive

    with reading_inputs(output.output, force=output.force, memory=cell.memory) as inputs:
        loaded = problem.read(keys, inputs).named(cell.batch)
    return deliver(derive(loaded, cell.asked(loaded), cell.only), output)

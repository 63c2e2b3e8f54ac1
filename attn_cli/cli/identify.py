"""`attn identify`: which convention made the output of a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from attn_cli.cli.deliver import check_target, deliver
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import KeyOptions, ProblemOptions
from attn_cli.cli.output import OutputOptions
from attn_cli.dataclass import dataclass, field
from attn_cli.errors import AttnError, ExitStatus, printable

if TYPE_CHECKING:
    from attn_cli.lab.identify.observed import Given
    from attn_cli.sources.matrices.document import Document
    from attn_cli.sources.matrices.files import Inputs


@dataclass(kw_only=True)
class ObservedOptions:
    """The observed arrays, and how far the search goes."""

    observed: Annotated[
        list[str],
        typer.Option(
            "--observed",
            metavar="STEP=FILE",
            help="A step as the kernel wrote it, e.g. output=o.npy. Can be repeated.",
        ),
    ] = field(default_factory=list)
    depth: Annotated[
        int,
        typer.Option(
            "--depth",
            metavar="N",
            help="Hypotheses at a time: 1 (default), or 2: pairs, if no single one explains it.",
            show_default=False,
        ),
    ] = 1

    probe: Annotated[
        str | None,
        typer.Option(
            "--probe",
            metavar="FILE",
            help="Write the fixed input that separates the hypotheses: a problem, .json, or .npz.",
        ),
    ] = None

    def check(self) -> None:
        """Raise AttnError for a depth that there is not, and for a probe with observed arrays."""
        if self.probe is not None and self.observed:
            raise AttnError(
                "--probe writes an input, and --observed reads what a kernel made of one",
                help="write the probe first, and run the kernel on it",
            )
        if self.depth not in (1, 2):
            raise AttnError(
                f"--depth must be 1 or 2, not {self.depth}", help="2 tries pairs of hypotheses"
            )

    def read(self, inputs: Inputs) -> list[Given]:
        """Return the observed arrays."""
        from attn_cli.cli.override import read_checks

        if not self.observed:
            raise AttnError(
                "no output is given", help="add --observed output=o.npy, as the kernel wrote it"
            )
        read = read_checks(self.observed, inputs, [], "--observed")
        return [_given(step, document) for step, document in read.items()]


def _given(step: str, document: Document) -> Given:
    from attn_cli.lab.identify.observed import Given
    from attn_cli.sources.matrices.matrix import names_file, read_array

    node = document.tree[step]
    try:
        values = read_array(document, node, (step,))
    except AttnError as error:
        raise document.located(error) from None
    return Given(step, str(node) if names_file(node) else "", values)


def _write_probe(file: str) -> int:
    """Write the fixed input, as the suffix of the file says."""
    from attn_cli.cli.write import check_file, write_file
    from attn_cli.lab.variants.probe import probe
    from attn_cli.views.json import written

    keys, suffix = probe(), file.lower().rpartition(".")[2]
    if suffix not in ("json", "npz"):
        raise AttnError(
            f"--probe {printable(file)} must end in .json or .npz",
            help="both are problem files; .npz has arrays that NumPy can load",
        )
    check_file(file)
    if suffix == "json":
        write_file(file, written(_plain(keys)).encode())
        return ExitStatus.DONE
    from io import BytesIO

    import numpy as np

    mask = {f"mask.{name}": value for name, value in keys.pop("mask").items()}
    data = BytesIO()
    np.savez(data, **keys, **mask)
    write_file(file, data.getvalue())
    return ExitStatus.DONE


def _plain(node: Any) -> Any:
    """Return a mapping with lists in place of arrays."""
    if isinstance(node, dict):
        return {key: _plain(inner) for key, inner in node.items()}
    return node.tolist() if hasattr(node, "tolist") else node


class IdentifyOutput(OutputOptions):
    """How the classes are shown and where they go."""

    results = ("Identified",)
    shades = False


def identify(
    problem: ProblemOptions,
    asked: ObservedOptions,
    keys: KeyOptions,
    output: IdentifyOutput,
) -> int:
    """Find the convention that made an output: hypotheses judged against the noise of its type.

    The problem says what you believe; with --query, --key and --value alone nothing is believed.
    Exit status: 0 if the problem explains the observed arrays (without a problem: if exactly one
    class does), 1 if one other class does, 3 if none or several do.

    \b
    attn compute samples/two_heads.yaml --only output -o o.npy
    attn identify samples/two_heads.yaml --observed output=o.npy
    attn identify --probe probe.json
    attn identify --query q.npy --key k.npy --value v.npy --observed output=mine.npy --format json
    """
    output.check()
    check_target(output)
    asked.check()
    if asked.probe is not None:
        return _write_probe(asked.probe)
    from attn_cli.lab.identify.asking import identify as identified
    from attn_cli.lab.variants import Base

    with reading_inputs(output.output, force=output.force) as inputs:
        given = asked.read(inputs)
        base = Base.read(problem.document(keys, inputs))
        found = identified(base, given, open=problem.file is None, depth=asked.depth)
        return deliver(found, output)

"""`attn diff`: two computations compared stage by stage, and whether they differ by noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli.cli.deliver import check_place, check_target, deliver
from attn_cli.cli.inputs import reading_inputs
from attn_cli.cli.options import number_of
from attn_cli.cli.output import PageOptions
from attn_cli.cli.write import write_file, write_stdout
from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, ExitStatus, did_you_mean, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attn_cli.arrays import AnyArray
    from attn_cli.lab.differing.compare import Asked
    from attn_cli.lab.differing.inputs import Loaded
    from attn_cli.lab.differing.report import DifferenceReport
    from attn_cli.lab.differing.result import Difference
    from attn_cli.sources.matrices.files import Inputs

Text = str | None


@dataclass(kw_only=True)
class DiffOptions:
    """The two sides, and how they are compared."""

    a: Annotated[
        Text,
        typer.Argument(
            metavar="A",
            help="Problem, or its steps: NPZ, JSON of attn, a folder of NPY files, one NPY.",
            show_default=False,
        ),
    ] = None
    b: Annotated[
        Text,
        typer.Argument(metavar="B", help="The other, in any of these forms.", show_default=False),
    ] = None
    map: Annotated[
        Text,
        typer.Option(
            "--map",
            metavar="HERE=THERE,...",
            help="Names of A and of B that are the same step: weights=attn_probs.",
        ),
    ] = None
    dtype: Annotated[
        Text,
        typer.Option(
            "--dtype",
            metavar="TYPE",
            help="Type of the other side: bfloat16, float16, float32 or float64 (default: the "
            "narrowest that holds its numbers).",
        ),
    ] = None
    tolerance: Annotated[
        Text,
        typer.Option(
            "--tolerance",
            metavar="T",
            help="Accept differences up to T x max(1, |expected|) (default: the noise of the "
            "type, by emulations).",
        ),
    ] = None
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare all rows, also of very large inputs.")
    ] = False
    save: Annotated[
        Text,
        typer.Option(
            "--save",
            metavar="FILE",
            help="Write the query and the head with the worst cell as a problem, an NPZ.",
        ),
    ] = None

    def asked(self) -> Asked:
        """Return the choices; raise AttnError for a value that an option cannot have."""
        from attn_cli.floats import FLOAT_TYPES
        from attn_cli.lab.differing.compare import Asked
        from attn_cli.lab.differing.names import read_map

        if self.a is None or self.b is None:
            raise AttnError(
                "attn diff compares two files, and "
                + ("there is one" if self.a else "there are none"),
                help="attn diff problem.yaml kernel.npz",
            )
        if self.dtype is not None and self.dtype not in FLOAT_TYPES:
            raise AttnError(
                f"--dtype cannot be '{printable(self.dtype)}'",
                help=did_you_mean(self.dtype, FLOAT_TYPES, what="there are", listed=True),
            )
        tolerance = None
        if self.tolerance is not None:
            tolerance = number_of("--tolerance", self.tolerance)
            if tolerance < 0:
                raise AttnError(f"--tolerance must be 0 or more, not {tolerance:g}")
        if self.save is not None and not self.save.lower().endswith(".npz"):
            raise AttnError("--save writes an NPZ", help="name it so: --save worst.npz")
        return Asked(
            mapping={} if self.map is None else read_map(self.map),
            dtype=self.dtype,
            tolerance=tolerance,
            exact=self.exact,
        )

    def loaded(self, inputs: Inputs, asked: Asked) -> tuple[Loaded, Loaded]:
        """Return both sides."""
        assert self.a is not None  # `asked` refuses it
        assert self.b is not None
        here = self._one(self.a, inputs, frozenset(asked.mapping))
        return here, self._one(self.b, inputs, frozenset(asked.mapping.values()))

    def _one(self, file: str, inputs: Inputs, mapped: frozenset[str]) -> Loaded:
        from attn_cli.lab.differing.inputs import Loaded
        from attn_cli.reading.dumps import read_dump
        from attn_cli.reading.schema import read_document, read_problem
        from attn_cli.sources.matrices.files import name_of

        dump = read_dump(file, inputs, mapped)
        if dump is not None:
            return Loaded(name=dump.name, dump=dump)
        document = read_document(file, inputs)
        problem = read_problem(document)
        return Loaded(name=printable(name_of(file)), problem=problem, document=document)


@dataclass(kw_only=True)
class DiffOutput(PageOptions):
    """The options of output of a comparison."""

    results = ("Difference", "DifferenceReport")

    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="One line: the verdict. No warnings.")
    ] = False


def diff(options: DiffOptions, output: DiffOutput) -> int:
    """Compare two computations stage by stage: noise, or a bug, and in which stage.

    What a stage adds is separated from what it inherits: each stage is computed again, in float64,
    from the earlier steps of B. Noise is what the type of B explains, by random rounding. The exit
    status is 0 for the same or noise, 1 for a bug, 3 if it cannot be decided.

    \b
    attn diff problem.yaml kernel.npz
    attn diff problem.yaml dump/ --map q_rotated=q_embed,weights=attn_probs
    attn diff here.npz there.npz --tolerance 1e-3
    attn diff problem.yaml kernel.npz --dtype bfloat16 --save worst.npz
    attn diff problem.yaml kernel.npz -o diff.html
    """
    output.check()
    asked = options.asked()
    check_target(output)
    for file in () if options.save is None else _files(options.save):
        check_place(file)
    from attn_cli.lab.differing.difference import difference_of

    written = {} if options.save is None else dict.fromkeys(_files(options.save), "--save")
    with reading_inputs(output.output, force=output.force, written=written) as inputs:
        here, there = options.loaded(inputs, asked)
        found = difference_of(here, there, asked)
        if options.save is not None:
            found = _saved(found, here, there, asked, options.save)
        page = _page(found, here, there, asked, output)
    if page is not None:
        return deliver(page, output)
    if output.quiet and output.view().name == "table":
        return _one_line(found)
    return deliver(found, output)


def _page(
    found: Difference, here: Loaded, there: Loaded, asked: Asked, output: DiffOutput
) -> DifferenceReport | None:
    """Return the comparison with the numbers of its steps, if it is shown as a page."""
    if output.view().accepts != ("DifferenceReport",):
        return None
    from attn_cli.lab.differing.report import report

    return report(found, here, there, asked, limit=output.limit)


def _saved(found: Difference, here: Loaded, there: Loaded, asked: Asked, file: str) -> Difference:
    """Write the smallest problem that shows the difference, and the same query there."""
    from attn_cli.lab.differing.compare import paired
    from attn_cli.lab.differing.saving import smallest

    if here.problem is None and there.problem is None:
        raise AttnError("--save needs a problem on one side", help="attn diff problem.yaml B")
    try:
        saved = smallest(paired(here, there, asked), found)
    except AttnError as error:  # nothing that one query could show
        return replace(found, saved=f"nothing is saved: {error.message}")
    _, other = _files(file)
    write_file(file, _archive(saved.problem))
    write_file(other, _archive(saved.there))
    said = f"saved {saved.where}: {printable(file)}, and the numbers of B: {printable(other)}"
    return replace(found, saved=said)


def _files(file: str) -> tuple[str, str]:
    """Return the files that `--save` writes: the problem, and the numbers of B."""
    return file, f"{file[: -len('.npz')]}.there.npz"


def _archive(arrays: Mapping[str, AnyArray]) -> bytes:
    from io import BytesIO

    import numpy as np

    out = BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def _one_line(found: Difference) -> ExitStatus:
    """Write the verdict alone."""
    from attn_cli.views.differing.parts import line

    write_stdout(line(found) + "\n")
    if found.agrees is None:
        return ExitStatus.UNDECIDED
    return ExitStatus.DONE if found.agrees else ExitStatus.NO

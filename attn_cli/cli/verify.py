"""`attn verify`: a function that computes attention, tested in all its conventions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from attn_cli import __version__
from attn_cli.cli.deliver import check_target, deliver
from attn_cli.cli.options import number_of
from attn_cli.cli.output import OutputOptions
from attn_cli.cli.signals import undone_by_signals
from attn_cli.cli.talk import say
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, ExitStatus, did_you_mean, printable
from attn_cli.lab.verifying.libraries import TRIED

if TYPE_CHECKING:
    from attn_cli.arrays import AnyArray
    from attn_cli.lab.verifying.verified import Verified

Text = str | None
LONGEST = 3600.0  # seconds of --timeout


@dataclass(kw_only=True)
class VerifyOptions:
    """The function, and the preset that it is held against."""

    function: Annotated[
        Text,
        typer.Argument(
            metavar="[MODULE:FUNCTION]",
            help="The function; MODULE is imported as by python -m, from this folder.",
            show_default=False,
        ),
    ] = None
    like: Annotated[
        Text,
        typer.Option("--like", metavar="NAME", help="The preset whose conventions it should have."),
    ] = None
    call: Annotated[
        Text,
        typer.Option(
            "--call",
            metavar="MODULE:ADAPTER",
            help="Call adapter(function, q, k, v, **options) in its place.",
        ),
    ] = None
    arrays: Annotated[
        Text,
        typer.Option(
            "--arrays", metavar="LIBRARY", help=f"Arrays: {', '.join(TRIED)} (default: numpy)."
        ),
    ] = None
    dtype: Annotated[
        list[str] | None,
        typer.Option(
            "--dtype",
            metavar="TYPE",
            help="Type of the arrays (default: float32; of torch and jax also float16 and "
            "bfloat16, if they work). Can be repeated.",
        ),
    ] = None
    timeout: Annotated[
        Text,
        typer.Option("--timeout", metavar="SECONDS", help="Time for one call (default: 10)."),
    ] = None
    write: Annotated[
        Text,
        typer.Option("--write", metavar="FOLDER", help="Write test vectors into a new FOLDER."),
    ] = None
    outputs: Annotated[
        Text,
        typer.Option(
            "--outputs", metavar="FOLDER", help="Judge outputs in a FOLDER of test vectors."
        ),
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="Allow --write to replace a folder of test vectors.")
    ] = False

    def check(self) -> None:
        """Raise AttnError for options that do not go together, or have no such value."""
        given = {
            "MODULE:FUNCTION": self.function,
            "--write": self.write,
            "--outputs": self.outputs,
        }
        chosen = [name for name, value in given.items() if value is not None]
        if len(chosen) != 1:
            raise AttnError(
                f"{' and '.join(chosen)} do not go together" if chosen else "nothing to verify",
                help="name MODULE:FUNCTION, or --write FOLDER for test vectors, or --outputs "
                "FOLDER for outputs that were made from them",
            )
        of_function = {"call": self.call, "arrays": self.arrays, "timeout": self.timeout}
        for name, value in of_function.items():
            if value is not None and self.function is None:
                raise AttnError(f"--{name} belongs to a function, and none is named")
        if self.write is not None and self.dtype:
            raise AttnError("--dtype has no effect on test vectors: they serve all types")
        if self.force and self.write is None:
            raise AttnError("--force belongs to --write FOLDER")
        self._check_like()
        if self.arrays not in (None, *TRIED):
            raise AttnError(
                f"unknown arrays '{printable(self.arrays or '')}'",
                help=did_you_mean(self.arrays or "", TRIED, what="there are"),
            )
        self.seconds()

    def _check_like(self) -> None:
        from attn_cli.conventions.presets import PRESETS, preset
        from attn_cli.lab.verifying.judging import check_type

        if self.outputs is not None:
            if self.like is not None:
                raise AttnError("--like is that of the test vectors, which their manifest names")
        elif self.like is None:
            raise AttnError(
                "which conventions should it have?",
                help=f"say --like NAME; there are {', '.join(PRESETS)}",
            )
        else:
            preset(self.like)
        for dtype in self.dtype or ():
            check_type(dtype)

    def seconds(self) -> float:
        """Return the time for one call."""
        from attn_cli.lab.verifying.judging import TIMEOUT

        if self.timeout is None:
            return TIMEOUT
        seconds = number_of("--timeout", self.timeout)
        if not 0 < seconds <= LONGEST:
            raise AttnError(f"--timeout must be above 0 and at most {LONGEST:g}, not {seconds:g}")
        return seconds


class VerifyOutput(OutputOptions):
    """How the verdict is shown and where it goes."""

    results = ("Verified",)
    reads_files = False


def verify(asked: VerifyOptions, output: VerifyOutput) -> int:
    """Call a function with a grid of small problems, and judge it by the conventions of a preset.

    It is called as f(q, k, v, **options): arrays (batch, heads, tokens, features), and by name what
    differs from the default: causal, scale, mask (true: attend), bias, window (left, right),
    softcap, key_lengths, sinks, return_lse. It returns the output, or (output, lse). A name that it
    lacks, or NotImplementedError, means "not supported".

    The exit status is 1 if a convention is wrong, 3 if none is supported.

    \b
    attn verify mykernel:attention --like torch
    attn verify --like flash-attn --write vectors
    """
    output.check()
    check_target(output)
    asked.check()
    if asked.write is not None:
        return _write(asked, output)
    return deliver(_of_outputs(asked) if asked.function is None else _of_function(asked), output)


def _of_function(asked: VerifyOptions) -> Verified:
    from attn_cli.lab.verifying.judging import Asking, verify
    from attn_cli.lab.verifying.process import InChild

    arrays = asked.arrays or "numpy"
    kernel = InChild(asked.function or "", arrays, asked.call or "", tell=_say_traceback)
    with undone_by_signals(kernel.end), kernel:
        return verify(
            kernel,
            Asking(asked.like or ""),
            arrays=arrays,
            dtypes=asked.dtype or (),
            timeout=asked.seconds(),
        )


def _say_traceback(text: str) -> None:
    say("\n".join(printable(line) for line in text.split("\n")))


def _of_outputs(asked: VerifyOptions) -> Verified:
    from attn_cli.lab.verifying.vectors import MANIFEST, judged_outputs, read_manifest
    from attn_cli.sources.matrices.files import Inputs

    folder = asked.outputs or ""
    inputs = Inputs()
    place = os.path.join(folder, MANIFEST)
    with inputs.open(place, "a manifest") as stream:
        data = stream.read()
    try:
        manifest = read_manifest(data.decode(), place)
    except UnicodeDecodeError:
        raise AttnError(f"{printable(place)} is not UTF-8") from None

    def load(file: str) -> AnyArray | None:
        from attn_cli.sources.matrices.npy_files import read_npy

        path = os.path.join(folder, *_below(file))
        if not os.path.lexists(path):
            return None
        with inputs.open(path, "an array") as stream:
            return read_npy(stream, path, ())

    return judged_outputs(manifest, load, folder, tuple(asked.dtype or ("float32",)))


def _below(file: str) -> list[str]:
    """Return the parts of a place in the folder; AttnError if it leads out of it."""
    parts = file.split("/")
    if not all(parts) or ".." in parts or os.path.isabs(file):
        raise AttnError(f"'{printable(file)}' in the manifest leads out of its folder")
    return parts


def _write(asked: VerifyOptions, output: VerifyOutput) -> int:
    from attn_cli.cli.folder import check_folder, write_folder
    from attn_cli.lab.verifying.judging import Asking
    from attn_cli.lab.verifying.vectors import MANIFEST, vectors

    if output.format is not None or output.output is not None:
        raise AttnError("--write writes files of its own, so it goes with neither -f nor -o")
    folder = asked.write or ""
    check_folder(folder, MANIFEST, force=asked.force)
    write_folder(folder, vectors(Asking(asked.like or ""), __version__).files())
    return ExitStatus.DONE

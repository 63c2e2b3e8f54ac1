"""The options of the command line, each defined once, in groups that commands take as a whole.

`grouped` turns `def command(problem: ProblemOptions, output: OutputOptions)` into a function with
the flat signature that Typer reads.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from attn_cli.dataclass import dataclass, field
from attn_cli.errors import AttnError
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES

if TYPE_CHECKING:
    from attn_cli.cli.output import OutputOptions
    from attn_cli.cli.resources import ResourceOptions
    from attn_cli.lab.compare import Expected
    from attn_cli.maths.problem import Problem, Request
    from attn_cli.sources.matrices.document import Document
    from attn_cli.sources.matrices.files import Inputs

Text = str | None


def _option(help: str, *names: str, metavar: str = "TEXT", panel: str = "") -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel)


def _names(names: Any) -> str:
    return ", ".join(names)


# Options that several groups have.
Batch = Annotated[int | None, _option("Show one batch entry, from 0.", "--batch", metavar="N")]
Head = Annotated[int | None, _option("Show one head, from 0.", "--head", metavar="N")]


def score_option(default: str) -> Any:
    """Return the option --score of a command in which one function is the default."""
    meaning = f"Score function (default: {default}): {_names(SCORES.names)}."
    return Annotated[Text, _option(meaning, "--score", metavar="NAME")]


Scale = Annotated[
    Text,
    _option(
        "Multiplies the scores; replaces 1/sqrt(d_k) in scaled; none = 1; a list: one per head.",
        "--scale",
        metavar="NUMBER",
    ),
]
Lower = Annotated[bool, typer.Option("--lower", help="Convert words to lower case.")]


@dataclass(kw_only=True)
class KeyOptions:
    """Options that replace keys of a problem, for every source of its words."""

    score: score_option(SCORES.default) = None  # type: ignore[valid-type]
    scale: Scale = None
    normalize: Annotated[
        Text,
        _option(
            f"Normaliser (default: {NORMALIZERS.default}): {_names(NORMALIZERS.names)}.",
            "--normalize",
            metavar="NAME",
        ),
    ] = None
    causal: Annotated[
        Text,
        _option(
            "Hide later keys: true, top-left, bottom-right or false; without WHICH: true.",
            "--causal",
            metavar="[WHICH]",
        ),
    ] = None
    dtype: Annotated[
        Text,
        _option(
            "Type of the arithmetic: float64 (default), float32, float16 or bfloat16.",
            "--dtype",
            metavar="TYPE",
        ),
    ] = None
    set: Annotated[
        list[str],
        _option(
            "Set any key of the problem, e.g. score.window=2; null removes it. Can be repeated.",
            "--set",
            metavar="KEY=VALUE",
        ),
    ] = field(default_factory=list)

    def given(self) -> dict[str, str]:
        """Return the keys that options replace, with the texts of the options."""
        every = {key: text for key, text in vars(self).items() if key != "set"}
        return {key: text for key, text in every.items() if text is not None}


@dataclass(kw_only=True)
class ProblemOptions:
    """The problem: a problem file, or Q, K and V alone, and the words."""

    file: Annotated[
        Text,
        typer.Argument(
            metavar="[FILE]",
            help="Problem file: YAML, JSON or NPZ; - for standard input.",
            show_default=False,
        ),
    ] = None
    query: Annotated[Text, _option("Q: a file, or [[1, 0], ...].", "--query", metavar="MATRIX")] = (
        None
    )
    key: Annotated[Text, _option("K: a file, or [[1, 0], ...].", "--key", metavar="MATRIX")] = None
    value: Annotated[Text, _option("V: a file, or [[1, 0], ...].", "--value", metavar="MATRIX")] = (
        None
    )
    tokens: Annotated[
        Text, _option("The words as one text; - for standard input.", "--tokens", metavar="WORDS")
    ] = None
    tokens_file: Annotated[
        Text,
        _option(
            "File of words: one per line, or a JSON list; they are not split.",
            "--tokens-file",
            metavar="FILE",
        ),
    ] = None
    key_tokens_file: Annotated[
        Text,
        _option(
            "File of the words of the keys, read like --tokens-file.",
            "--key-tokens-file",
            metavar="FILE",
        ),
    ] = None
    lower: Lower = False

    def read(self, keys: KeyOptions, inputs: Inputs) -> Problem:
        """Return the validated problem."""
        from attn_cli.reading.schema import read_problem

        return read_problem(self.document(keys, inputs))

    def document(self, keys: KeyOptions, inputs: Inputs) -> Document:
        """Return the document, with the options put into it."""
        from attn_cli.cli.override import apply_options, refuse_two_readers
        from attn_cli.reading.schema import read_document

        given = self.given(keys)
        refuse_two_readers(self.file, given)
        document = read_document(self.file, inputs)
        apply_options(document, given, keys.set)
        return document

    def given(self, keys: KeyOptions) -> dict[str, str]:
        """Return the keys that options replace, with the texts of the options."""
        every = {key: text for key, text in vars(self).items() if key != "file"}
        given = {key: text for key, text in every.items() if isinstance(text, str)}
        return given | ({"lower": "true"} if self.lower else {}) | keys.given()


@dataclass(kw_only=True)
class ShownOptions:
    """The options that choose steps."""

    show: Annotated[
        Text, _option("Steps to show, e.g. q,k,weights, or all.", "--show", metavar="STEPS")
    ] = None
    only: Annotated[Text, _option("Show one step, e.g. output.", "--only", metavar="STEP")] = None

    @property
    def asked(self) -> bool:
        """Return whether steps are requested, some or all."""
        return self.show is not None or self.only is not None

    def steps(self) -> tuple[str, ...] | None:
        """Return the names of the requested steps, None for all."""
        if self.show is not None and self.only is not None:
            raise AttnError(
                "--show and --only exclude each other",
                help="--only STEP is one step alone, --show takes several",
            )
        if self.only is not None:
            return (self.only,)
        if self.show is None or self.show.strip() == "all":
            return None
        names = tuple(name.strip() for name in self.show.split(",") if name.strip())
        if not names:
            raise AttnError("--show names no step", help="write --show q,k,weights")
        return names


@dataclass(kw_only=True)
class StepOptions(ShownOptions):
    """The options that choose steps and rows."""

    query_token: Annotated[
        Text,
        _option("Show one query, by word or by index.", "--query-token", metavar="WORD|INDEX"),
    ] = None
    batch: Batch = None
    head: Head = None
    blank: Annotated[
        Text,
        _option(
            "Leave the cells of these steps, and of those that follow, empty: a worksheet.",
            "--blank",
            metavar="STEPS",
        ),
    ] = None
    check: Annotated[
        list[str],
        _option(
            "Compare a step with expected values; exit status 1 if they differ. Can be repeated.",
            "--check",
            metavar="STEP=MATRIX",
        ),
    ] = field(default_factory=list)
    tolerance: Annotated[
        Text,
        _option(
            "Largest difference --check accepts (default: half a unit of the last decimal that "
            "was written; of files 0.00005).",
            "--tolerance",
            metavar="T",
        ),
    ] = None

    def request(
        self, problem: Problem, output: OutputOptions, resources: ResourceOptions
    ) -> Request:
        """Return the request for a problem."""
        from attn_cli.maths.problem import Request

        rows = None
        if self.query_token is not None:
            rows = (_query(problem, self.query_token),)
        return Request(
            steps=self.steps(),
            rows=rows,
            batch=self.batch,
            head=self.head,
            edge=output.edge,
            asides=not output.drawn,
            marks=output.drawn,
            answer=output.answers,
            **resources.given(),
        )

    def blanked(self, output: OutputOptions) -> tuple[str, ...]:
        """Return the names of the steps that are left empty; none if there are none.

        Raises AttnError if the format has no empty cells, or if answers would show the numbers.
        """
        if self.blank is None:
            return ()
        pages = output.views("Worksheet")
        if not output.drawn and output.name not in pages:
            able = [
                name
                for name, view in output.views().items()
                if "full" in view.options or name in pages
            ]
            raise AttnError(
                f"--blank leaves cells of tables empty, and {output.name} has no tables",
                help=f"use one of {', '.join(able)}, such as -o sheet.md",
            )
        if self.check:
            raise AttnError(
                "--check says what the numbers are, and --blank takes them out",
                help="use one of them",
            )
        names = tuple(name.strip() for name in self.blank.split(",") if name.strip())
        if not names:
            raise AttnError("--blank names no step", help="write --blank weights,output")
        return names

    def expected(self, inputs: Inputs) -> Expected | None:
        """Return step -> the values that it is compared with; None if no option gives any."""
        if not self.check:
            if self.tolerance is not None:
                raise AttnError("--tolerance belongs to --check", help="add --check STEP=MATRIX")
            return None
        from attn_cli.cli.override import read_checks
        from attn_cli.lab.compare import expected_of

        tolerance = None
        if self.tolerance is not None:
            tolerance = number_of("--tolerance", self.tolerance)
        if tolerance is not None and tolerance < 0:
            raise AttnError(f"--tolerance must be 0 or more, not {tolerance:g}")
        notes: list[str] = []
        return expected_of(read_checks(self.check, inputs, notes), tolerance, notes)


def number_of(option: str, text: str) -> float:
    """Return the finite number of an option."""
    from attn_cli.sources.text.scalars import finite

    return finite(text, (option,))


def _query(problem: Problem, asked: str) -> int:
    """Return the position of the requested query; errors name the sequence if it has a name."""
    from attn_cli.sources.text.tokens import find_token

    try:
        return find_token(problem.query_tokens, asked)
    except AttnError as error:
        if problem.title:
            error.message += f" in '{problem.title}'"
        raise


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """Return a command with its groups of options expanded into the signature that Typer reads.

    A group with a method `offered` gives those options only. Parameters that are not groups stay
    as they are.
    """
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return", None)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type)}
    parameters: list[inspect.Parameter] = []

    def add(option: str, default: Any, annotation: Any) -> None:
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(option, kind, default=default, annotation=annotation))

    spread = {name: _options_of(group) for name, group in groups.items()}
    for name, hint in hints.items():
        if name not in groups:
            add(name, inspect.signature(command).parameters[name].default, hint)
            continue
        defaults = vars(groups[name]())
        for option, annotation in spread[name].items():
            add(option, defaults[option], annotation)

    @wraps(command)
    def flat(**given: Any) -> int:
        made = {
            name: group(**{option: given.pop(option) for option in spread[name]})
            for name, group in groups.items()
        }
        return command(**made, **given)

    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {p.name: p.annotation for p in parameters}
    del flat.__wrapped__
    return flat


def _options_of(group: type) -> dict[str, Any]:
    """Return option -> its annotation, in the order of help."""
    offered: Callable[[], dict[str, Any]] | None = getattr(group, "offered", None)
    if offered is not None:
        return offered()
    hints = get_type_hints(group, include_extras=True)
    return {option: hints[option] for option in vars(group())}

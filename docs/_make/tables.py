"""Tables of what the package registers, for cog blocks: one row per entry."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, get_type_hints

from docs._make.shell import ROOT, run

if TYPE_CHECKING:
    from attn_cli.reading.keys import Key
    from attn_cli.views import View


def print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table in Markdown; `|` in a cell is escaped."""
    for row in (head, ("---",) * len(head), *rows):
        print(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")


def table_of_keys() -> None:
    """Print the keys of a problem file, by groups."""
    from attn_cli.reading.keys import KEYS

    rows: dict[str, list[tuple[str, ...]]] = {}
    for key in KEYS.values():
        rows.setdefault(key.group, []).append(row_of_key(key))
    print_table(
        ("key", "meaning", "option", "`attn train`"),
        (row for group, own in rows.items() for row in ((f"**{group}**", "", "", ""), *own)),
    )


def table_of_inner_keys() -> None:
    """Print the keys inside the mappings that keys can be."""
    from attn_cli.reading.keys import KEYS

    print_table(
        ("key", "meaning"),
        (
            (f"`{key.name}.{name}`", meaning)
            for key in KEYS.values()
            for name, meaning in key.inner.items()
        ),
    )


def row_of_key(key: Key) -> tuple[str, ...]:
    """Return the row of a key: its name, what it means, its option, whether `train` accepts it."""
    from attn_cli.cli.keys import option_of
    from attn_cli.reading.keys import ALWAYS, NEVER, NO_OPTION

    option = "" if key.option == NO_OPTION else f"`{option_of(key.name)}`"
    accepted = {ALWAYS: "yes", NEVER: "no"}.get(key.learnable, key.learnable)
    return f"`{key.name}`", key.meaning, option, accepted


def table_of_scores() -> None:
    """Print the score functions."""
    from attn_cli.maths.scores import SCORES

    print_table(
        ("name", "score", "reference"),
        ((named(s.name, SCORES.default, "scores"), str(s.formula), s.reference) for s in SCORES),
    )


def table_of_normalizers() -> None:
    """Print the normalisers."""
    from attn_cli.maths.normalizers import NORMALIZERS

    print_table(
        ("name", "weights", "reference"),
        (
            (named(n.name, NORMALIZERS.default, "normalizers"), str(n.formula), n.reference)
            for n in NORMALIZERS
        ),
    )


def named(name: str, default: str, page: str) -> str:
    """Return a name that links to its section of a page of the reference."""
    return f"[`{name}`]({page}.md#{name})" + " (default)" * (name == default)


def table_of_steps() -> None:
    """Print the steps."""
    from attn_cli.maths.catalogue import catalogue

    print_table(
        ("step", "shape", "formula, usually", "there if"),
        (
            (
                f"[`{step.name}`](steps.md#{step.name})",
                " x ".join(step.shape),
                str(step.formula),
                step.condition or "always",
            )
            for step in catalogue()
        ),
    )


def table_of_formats() -> None:
    """Print the output formats of all commands, by the results that they are of."""
    print_table(
        ("commands", "format", "suffix", "holds", "options"),
        (
            (
                ", ".join(f"`{command}`" for command in commands),
                f"`{view.name}`",
                ", ".join(view.suffixes),
                _held(view),
                ", ".join(
                    f"`--{option}`".replace("_", "-")
                    for option in view.options
                    if option in offered
                ),
            )
            for (views, offered), commands in commands_by_views().items()
            for view in views
        ),
    )


_HELD = {
    "Report": "all steps that fit into its size",
    "HeatMap": "one step",
    "Graph": "one step",
    "Derivation": "one row or cell",
    "Sample": "one sample",
}


def table_of_arguments() -> None:
    """Print what `Record.save` takes for each format."""
    from attn_cli.notebook import taken, written

    print_table(
        ("suffix", "arguments"),
        (
            (", ".join(f"`{suffix}`" for suffix in view.suffixes),
             ", ".join(f"`{name}`" for name in taken(view)) or "none")
            for view in written()
        ),
    )  # fmt: skip


def _held(view: View) -> str:
    """Return how much a format holds."""
    if "Record" in view.accepts:
        return "one step" if view.one_step else "the answer" if view.needs_answer else "all steps"
    return _HELD.get(view.accepts[0], "")


def commands_by_views() -> dict[tuple[tuple[View, ...], tuple[str, ...]], list[str]]:
    """Return views and options of output -> the commands that offer these."""
    from attn_cli.cli.app import COMMANDS
    from attn_cli.cli.output import OutputOptions

    found: dict[tuple[tuple[View, ...], tuple[str, ...]], list[str]] = {}
    for name, command in COMMANDS.items():
        hints = get_type_hints(getattr(import_module(command.module), command.function))
        for hint in hints.values():
            if isinstance(hint, type) and issubclass(hint, OutputOptions):
                key = (tuple(hint.views().values()), tuple(hint.offered()))
                found.setdefault(key, []).append(name)
    return found


def table_of_samples() -> None:
    """Print the samples, each with its page of the gallery."""
    print_table(
        ("sample", "what it shows"),
        ((f"[{name}]({name}.md)", title) for name, title in samples().items()),
    )


def samples() -> dict[str, str]:
    """Return the first comment of each sample, by name."""
    return {
        path.stem: path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        for path in sorted((ROOT / "samples").glob("*.yaml"))
    }


def table_of_benchmarks() -> None:
    """Print what `make bench` measured last, in short."""
    from benchmarks.results import table_for_readme

    print(table_for_readme(), end="")


def table_of_statistics(*, per_query: bool) -> None:
    """Print the columns of `attn stats`."""
    from attn_cli.lab.statistics_columns import OF_HEADS, OF_QUERIES

    columns = OF_QUERIES if per_query else OF_HEADS
    lead = (("`batch`, `head`", "the batch entry and the head, if there are some"),)
    print_table(("column", "meaning"), (*lead, *((f"`{c.name}`", c.meaning) for c in columns)))


_STATUSES = {
    "DONE": "done, and every comparison that was asked for agrees",
    "NO": "a comparison that was asked for says no",
    "BAD": "wrong usage or bad input",
    "UNDECIDED": "no verdict is possible",
    "HUNG_UP": "ended by SIGHUP; no unfinished file is left",
    "INTERRUPTED": "ended by SIGINT (Ctrl-C), likewise",
    "TERMINATED": "ended by SIGTERM, likewise",
    "PIPE_CLOSED": "the reader of the pipe went away, or that of a named pipe after `-o`",
}


def table_of_statuses() -> None:
    """Print the exit statuses; a status without a text here is a KeyError."""
    from attn_cli.errors import ExitStatus

    print_table(
        ("status", "meaning"),
        ((str(status.value), _STATUSES[status.name]) for status in sorted(ExitStatus)),
    )


_MEMBERS = {
    "format": "`attn/1`",
    "command": "the command that wrote it; null in the error of an unknown command",
    "tokens": "words of queries and keys, if there are some",
    "labels": "axis -> the labels of its positions, words or numbers; if steps have an axis at "
    "different lengths, those of the longest",
    "settings": "what the problem resolves to: scale, positions, every convention, types, engine",
    "steps": "by name: `formula`, `role`, `reads` (the steps it is computed from), `axes`, "
    "`shape`, `values`; and `labels` of axes whose labels are others there: after a past, `k` has "
    "new keys alone",
    "answer": "the next word, the translation or what the key `answer` reads; else null",
    "warnings": "the texts of the warnings",
}


def table_of_members() -> None:
    """Print the members of a JSON document; a member without a text here is a KeyError."""
    import json

    ran = run("attn compute samples/love_coding.yaml --only scores --format json")
    print_table(
        ("member", "content"),
        (
            *((f"`{name}`", _MEMBERS[name]) for name in json.loads(ran.output)),
            (
                "`error`",
                "after `format` and `command`, instead of the rest: what is wrong, and where",
            ),
        ),
    )

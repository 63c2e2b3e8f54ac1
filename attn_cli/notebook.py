"""A record from Python: as a line, as what a notebook shows of it, as a page, and as a file.

`attn_cli.record` loads this module when one of these is asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, PipeClosed, did_you_mean, printable
from attn_cli.views import VIEWS, Style, View

if TYPE_CHECKING:
    from attn_cli.lab.report.result import Report
    from attn_cli.record import Record

SHOWN = ("weights", "output")  # steps that a line names
ANSWER = 60  # columns of an answer in it
MOST, OF_ONE = 100_000, 64_000  # bytes that a notebook shows, and of one picture
TRUECOLOR = 1 << 24
# Arguments besides the options of formats: of a heat map, and of a format that holds one step.
OF_MAPS = ("step", "heads", "batch", "colours", "pool")
OF_ENTRY = ("step", "batch", "head")
MANY = 1 << 62  # more than any number of heads
TAKEN = {"from": "first"}  # options whose names Python has taken
SWITCHES = ("full", "verbose", "labels", "math", "booktabs", "standalone", "numbers", "color",
            "light")  # fmt: skip


def line(record: Record) -> str:
    """Return the record as one line: its main steps with their shapes, and what was computed."""
    count = len(record.steps)
    named = [name for name in SHOWN if name in record.steps] or list(record.steps)[-1:]
    shapes = ", ".join(f"{name} {record.steps[name].shape}" for name in named)
    score = record.settings.get("score")
    facts = [
        str(score["function"]) if isinstance(score, dict) and "function" in score else "",
        *(name for name in ("causal", "window") if record.settings.get(name)),
    ]
    said = [
        f"Record of {count} step{'' if count == 1 else 's'}{f': {shapes}' if shapes else ''}",
        ", ".join(filter(None, facts)),
        _quoted(record.text) if record.text else "",
    ]
    return f"<{'; '.join(filter(None, said))}>"


def _quoted(answer: str) -> str:
    from attn_cli.views.cells import short_word

    return f"'{short_word(answer[: 2 * ANSWER], ANSWER)}'"


def shown(record: Record) -> str:
    """Return what a notebook shows of a record, in at most `MOST` bytes."""
    from attn_cli.lab.preview import previews
    from attn_cli.views.html.preview import render

    for preview in previews(record):
        element = render(preview, Style())
        pictures = re.findall('src="([^"]*)"', element)
        if len(element.encode()) <= MOST and all(len(each) <= OF_ONE for each in pictures):
            break
    return element


def html(record: Record, **options: Any) -> str:
    """Return the page of a record."""
    view = VIEWS.of("Report")["html"]
    given = {name: value for name, value in options.items() if value is not None}
    page = view.render(_report(record, given.get("max_size")), _style(given))
    assert isinstance(page, str)
    return page


def save(record: Record, path: str | os.PathLike[str], options: Mapping[str, Any]) -> None:
    """Write a record to a file, in the format of its suffix."""
    from attn_cli.cli.write import check_file, write_file

    name = os.fsdecode(path)
    view = _view(name)
    _refuse_unknown(view, options)
    style = _style(options)
    view.check()
    check_file(name)
    rendered: Any = _rendered(record, view, style, options)
    try:
        write_file(name, rendered if isinstance(rendered, str | bytes) else _encoded(rendered))
    except PipeClosed:
        raise AttnError(f"{printable(name)} was closed by its reader") from None


def _encoded(parts: Iterable[str | bytes]) -> Iterator[bytes]:
    return (part.encode() if isinstance(part, str) else part for part in parts)


def _view(name: str) -> View:
    """Return the view whose suffix a file has; AttnError, with all suffixes, if none has it."""
    views = written()
    for view in views:
        if name.lower().endswith(view.suffixes):
            return view
    suffixes = ", ".join(dict.fromkeys(suffix for view in views for suffix in view.suffixes))
    raise AttnError(
        f"the format of '{printable(name)}' cannot be determined from its suffix",
        help=f"a record can be written as {suffixes}",
    )


def written() -> list[View]:
    """Return the formats in which a record can be written: of each suffix the first."""
    of_suffix: dict[str, View] = {}
    for view in VIEWS.of("Record", "Report", "HeatMap").values():
        for suffix in view.suffixes:
            of_suffix.setdefault(suffix, view)
    return list({view.name: view for view in of_suffix.values()}.values())


def taken(view: View) -> list[str]:
    """Return the names of the arguments that a format takes."""
    names = [TAKEN.get(option, option) for option in view.options if option != "width"]
    if "HeatMap" in view.accepts:
        return [*OF_MAPS, *names]
    return [*OF_ENTRY, *names] if view.one_step else names


def _refuse_unknown(view: View, options: Mapping[str, Any]) -> None:
    """Raise AttnError for an argument that the format does not take, or a value it cannot have."""
    names = taken(view)
    for name, value in options.items():
        if name not in names:
            raise AttnError(
                f"{view.name} does not take '{printable(name)}'",
                help=did_you_mean(name, names, what="it takes", listed=True)
                if names
                else "it takes none",
            )
        if name in SWITCHES and not isinstance(value, bool):
            raise _unfit(name, value, "it is True or False")
        if name in {"colours", "pool"}:
            _refuse_other_choice(name, value)


def _refuse_other_choice(name: str, value: object) -> None:
    from attn_cli.cli.heatmap import COLOURS, POOLS

    known = COLOURS if name == "colours" else POOLS
    if value not in known:
        raise _unfit(name, value, f"there are: {', '.join(known)}")


def _unfit(name: str, value: object, advice: str) -> AttnError:
    return AttnError(f"{name} cannot be {printable(repr(value))}", help=advice)


def _number(options: Mapping[str, Any], name: str, most: int) -> int | None:
    """Return a whole number among the arguments, None if it is not there."""
    value = options.get(name)
    if value is None:
        return None
    if not hasattr(value, "__index__") or isinstance(value, bool) or not 0 <= int(value) <= most:
        raise _unfit(name, value, f"it is a whole number from 0 to {most}")
    return int(value)


def _style(options: Mapping[str, Any]) -> Style:
    """Return the style of a view; AttnError for numbers that are out of range."""
    switches = {name: options[name] for name in SWITCHES if name in options and name != "color"}
    return Style(
        digits=_number(options, "digits", 17),
        first=_number(options, "first", 1) or 0,
        colours=TRUECOLOR if options.get("color") else 0,
        in_full="full=True",
        **switches,
    )


def _rendered(record: Record, view: View, style: Style, options: Mapping[str, Any]) -> Any:
    """Return the record in a format, as the command line writes it."""
    if "Report" in view.accepts:
        return view.render(_report(record, options.get("max_size")), style)
    if "HeatMap" in view.accepts:
        return view.render(_heat_map(record, view, style, options), style)
    if view.one_step:
        record = _one(record, view, options)
    if "full" in view.options:
        record = _as_table(record, full=style.full)
    return view.render(record, style)


def _step(options: Mapping[str, Any]) -> str | None:
    """Return the name of the step among the arguments."""
    name = options.get("step")
    if name is not None and not isinstance(name, str):
        raise _unfit("step", name, "it is the name of a step")
    return name


def _one(record: Record, view: View, options: Mapping[str, Any]) -> Record:
    """Return the record with the one step that a format holds, or an entry of it."""
    from attn_cli.lab.result_drawing import refuse_beyond

    name = _step(options)
    if name is None and len(record.steps) != 1:
        raise AttnError(
            f"{view.name} holds one step, and the record has {len(record.steps)}",
            help=f"choose one, such as step='weights': {', '.join(record.steps)}",
        )
    chosen = record if name is None else record.chosen((name,))
    (step,) = chosen.steps.values()
    for axis in ("batch", "head"):
        index = _number(options, axis, MANY)
        if index is not None:
            refuse_beyond(axis, index, step.axes, step.shape, step.name)
            step = step.entry(axis, index)
    return replace(chosen, steps={step.name: step})


def _as_table(record: Record, *, full: bool) -> Record:
    """Return a record as tables show it."""
    from attn_cli.origin import shortened

    if record.origin is None:
        return shortened(record, full=full)
    found: Record = record.origin.table(record, full=full)
    return found


def _report(record: Record, max_size: int | str | None) -> Report:
    """Return the report of a record; AttnError if it is not known what it was computed from."""
    from attn_cli.lab.report.size import USUAL
    from attn_cli.reading.resource_limits import read_memory

    limit = USUAL if max_size is None else read_memory(str(max_size), "max_size")
    if record.origin is None:
        raise AttnError(
            "a page shows how a problem is computed, and this record does not have its problem",
            help="attn_cli.compute and attn_cli.attention give records that have it",
        )
    report: Report = record.origin.report(record, limit)
    return report


def _heat_map(record: Record, view: View, style: Style, options: Mapping[str, Any]) -> Any:
    """Return the heat map of a step, as `attn heatmap` draws it."""
    from attn_cli.lab.drawing import Chosen, draw
    from attn_cli.lab.preview import marked
    from attn_cli.lab.result_drawing import of_record

    name = _step(options) or "weights"
    record[name]  # raises AttnError, which names the nearest
    step = record.steps[name]
    drawn = replace(record, steps={name: marked(record, step, step)})
    chosen = Chosen(_number(options, "batch", MANY), _heads(options.get("heads")), None)
    drawing = of_record(drawn, name, chosen)
    fit = view.fit(drawing.outline, style)
    return draw(drawing, fit, colours=options.get("colours", "auto"), pool=options.get("pool"))


def _heads(heads: Any) -> tuple[int, ...] | None:
    """Return the heads that are drawn, None for all: one number or several."""
    if heads is None:
        return None
    several = heads if isinstance(heads, Iterable) and not isinstance(heads, str) else [heads]
    numbers = tuple(_number({"heads": head}, "heads", MANY) or 0 for head in several)
    if not numbers or len(set(numbers)) < len(numbers):
        raise _unfit("heads", heads, "name each head once: heads=[0, 3]")
    return numbers

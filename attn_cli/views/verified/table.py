"""For people: a line per convention, then the cases that are wrong, then what was covered."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attn_cli.lab.verifying.verified import Verified
from attn_cli.views import BOX, Style
from attn_cli.views.columns import columns, paragraph
from attn_cli.views.table import BAD, BOLD, GOOD, RESET
from attn_cli.views.verified.parts import HEAD, coverage, failures, rows, summary, title

_VERDICT = re.compile(r"(?<=   )(right|wrong)(?=   |$)")


def render(verified: Verified, style: Style) -> str:
    """Return the verdict as a table and sentences."""
    text = "".join(f"{line.rstrip()}\n" for line in _lines(verified, style))
    return text.replace(BOX, "-") if style.ascii else text


def _lines(verified: Verified, style: Style) -> Iterator[str]:
    yield from (_coloured(line, BOLD, style) for line in paragraph(title(verified), style.width))
    yield ""
    head, *body = columns([HEAD, *rows(verified)], style.width)
    yield head
    for line in body:
        yield _VERDICT.sub(_shade, line, count=1) if style.colour else line
    for asked in verified.conventions:
        for at, sentence in enumerate(failures(asked, style.decimals)):
            if at == 0:
                yield from ("", _coloured(asked.name, BOLD, style))
            yield from paragraph(sentence, style.width, "  ")
    yield ""
    for sentence in coverage(verified):
        yield from paragraph(sentence, style.width)
    yield ""
    colour = GOOD if verified.agrees else BAD
    yield from (
        _coloured(line, colour, style) for line in paragraph(summary(verified), style.width)
    )


def _shade(match: re.Match[str]) -> str:
    return f"{GOOD if match[0] == 'right' else BAD}{match[0]}{RESET}"


def _coloured(text: str, code: str, style: Style) -> str:
    return f"{code}{text}{RESET}" if style.colour else text

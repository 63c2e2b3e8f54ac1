"""A verified function in Markdown, for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.lab.verifying.verified import Verified
from attn_cli.views import Style
from attn_cli.views.markdown import escaped, row
from attn_cli.views.verified.parts import HEAD, coverage, failures, rows, summary, title


def render(verified: Verified, style: Style) -> str:
    """Return a table of the conventions, and lists."""
    return "".join(f"{line}\n" for line in _lines(verified, style))


def _lines(verified: Verified, style: Style) -> Iterator[str]:
    yield from (f"**{escaped(title(verified))}**", "")
    yield row(list(HEAD))
    yield row(["---"] * len(HEAD))
    for cells in rows(verified):
        yield row([escaped(cell) for cell in cells])
    for asked in verified.conventions:
        sentences = list(failures(asked, style.decimals))
        if sentences:
            yield from ("", f"**{escaped(asked.name)}**", "")
            yield from (f"- {escaped(sentence)}" for sentence in sentences)
    yield ""
    yield from (f"- {escaped(sentence)}" for sentence in coverage(verified))
    yield from ("", f"**{escaped(summary(verified))}**")

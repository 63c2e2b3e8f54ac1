"""The answer alone: the predicted word or the translation, on one line."""

from __future__ import annotations

from attn_cli.errors import AttnError
from attn_cli.record import Record
from attn_cli.views import Style


def render(record: Record, _: Style) -> str:
    """Return the answer; raise AttnError if the record has none."""
    if record.text is None:
        raise AttnError(
            "there is no answer to show: the problem asks for none",
            help="a problem with next_word has one if probabilities are among its steps; one with "
            "answer, if weights are",
        )
    return f"{record.text}\n"

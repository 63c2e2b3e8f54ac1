"""The lines below the tables: the chosen word, its margin, and the ranking."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.errors import printable
from attn_cli.record import Choice, Record
from attn_cli.views import Style
from attn_cli.views.bars import bars, padded

DECIDED = 5  # keys that are named with the weights that decided a choice
BAR_CELLS = 20  # of the bar of 1, or of the largest number if that is larger


def lines(record: Record, style: Style) -> Iterator[str]:
    """Yield one line per choice (asked, answer, margin), and below it the ranking as bars."""
    in_context = any(choice.alone is not None for choice in record.choices)
    if in_context:
        yield from (*_beside(record, style), "")
    asked = padded([printable(choice.asked) for choice in record.choices])
    answers = padded([printable(choice.answer) for choice in record.choices])
    for choice, question, answer in zip(record.choices, asked, answers, strict=True):
        yield f"{question} -> {answer}   {margin(choice, style.decimals)}".rstrip()
        yield from (f"  {line}" for line in _ranking(choice, style))
        if choice.attention and choice.alone is None:
            yield f"  {decided_by(choice, style.decimals)}"
    if record.text is not None and len(record.choices) > 1 and "\n" not in record.text:
        yield from ("", printable(record.text))


def margin(choice: Choice, digits: int) -> str:
    """Return the margin of a choice over the second best, as text.

    >>> margin(Choice("a", "b", 0.75, "c", 0.5), 2)
    "0.75, 0.50 above 'c'"
    """
    if choice.value is None:
        return "unknown, kept as it is"
    if choice.margin is None or choice.runner_up is None:
        return f"{choice.value:.{digits}f}"
    above = f"{choice.margin:.{digits}f} above" if choice.margin else "the same as"
    return f"{choice.value:.{digits}f}, {above} '{printable(choice.runner_up)}'"


def decided_by(choice: Choice, digits: int) -> str:
    """Return the keys that decided the choice, the largest weights first."""
    ranked = sorted(choice.attention, key=lambda pair: -pair[1])
    named = ", ".join(f"{printable(word)} {weight:.{digits}f}" for word, weight in ranked[:DECIDED])
    return f"decided by the weights of {named}"


def _beside(record: Record, style: Style) -> Iterator[str]:
    """Yield one line per word: its answer alone, its answer in context, its attention."""
    paid = [
        ", ".join(
            f"{printable(word)} {weight:.{style.decimals}f}" for word, weight in each.attention
        )
        for each in record.choices
    ]
    columns = [
        padded(["word", *(printable(each.asked) for each in record.choices)]),
        padded(["alone", *(printable(each.alone or each.answer) for each in record.choices)]),
        padded(["in context", *(printable(each.answer) for each in record.choices)]),
        ["attention paid", *paid],
    ]
    for row in zip(*columns, strict=True):
        yield "   ".join(row).rstrip()


def _ranking(choice: Choice, style: Style) -> Iterator[str]:
    words = padded([printable(word) for word, _ in choice.ranking])
    numbers = [f"{value:.{style.decimals}f}" for _, value in choice.ranking]
    width = max(map(len, numbers), default=0)
    values = [max(value, 0.0) if value == value else 0.0 for _, value in choice.ranking]
    whole = max([1.0, *values])
    drawn = bars([value / whole for value in values], BAR_CELLS, ascii=style.ascii)
    for word, number, bar in zip(words, numbers, drawn, strict=True):
        yield f"{word}   {number:>{width}}  {bar}".rstrip()

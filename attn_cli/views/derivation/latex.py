r"""A derivation in LaTeX: one `align*` of amsmath, a line for each line of arithmetic."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import groupby

from attn_cli.errors import printable
from attn_cli.lab.derivation.result import Derivation, Line, Row
from attn_cli.views import Style, tex
from attn_cli.views.derivation import written as w
from attn_cli.views.derivation.layout import VECTOR, clipped, remarks
from attn_cli.views.latex_document import document

LINE = 75  # characters of a line, about as many as a page has room for
BREAK = " \\\\\n  &\\quad"
COMPONENT = ", <n>"  # of the left side of a line of one dimension


def render(derivation: Derivation, style: Style) -> str:
    """Return a part of a document."""
    write = partial(w.shown, decimals=style.decimals)
    lines = " \\\\\n".join(f"  {line}" for line in _lines(derivation, write, style.decimals))
    body = f"{{\\allowdisplaybreaks\n\\begin{{align*}}\n{lines}\n\\end{{align*}}}}\n"
    said = [f"({derivation.chosen})"] if derivation.chosen else []
    said += [f"({remark})" for remark in remarks(derivation, style.decimals)]
    body += "".join(f"% {printable(each)}\n" for each in said)
    first = tex.needs(body)
    return document(first, body, (), ()) if style.standalone else f"{first}\n{body}"


def _lines(derivation: Derivation, write: w.Write, decimals: int) -> Iterator[str]:
    """Yield the lines; those of a vector that is only a value together."""
    for _, group in groupby(derivation.lines, key=lambda x: (x.step, x.words.get("key"))):
        lines = [line for line in group if not isinstance(line, Row)]
        texts = [w.numbers(line, write, w.TEX) for line in lines]
        if len(lines) > 1 and not any(texts):
            yield _equation(lines[0], [_vector(lines, write)], decimals, whole=True)
            continue
        for line, text in zip(lines, texts, strict=True):
            whole = isinstance(line.result, tuple)
            result = _vector([line], write) if whole else _number(line.result, write)
            sides = [text, w.further(line, write, w.TEX), result]
            yield _equation(line, [side for side in sides if side], decimals, whole=whole)


def _equation(line: Line, sides: list[str], decimals: int, *, whole: bool) -> str:
    """Return a line of an `align*`: the left side, then all others behind an aligned sign."""
    pattern = line.template.tex or r"\mathrm{<step>}"
    left = pattern.replace(COMPONENT, "") if whole else pattern
    words = {**line.words, "step": line.step}
    for name, word in words.items():
        written = tex.words(word) if name == "step" else _word(word, name)
        left = left.replace(f"<{name}>", written)
    note = w.note(line, decimals, clipped)
    said = rf" \quad \text{{({tex.words(note)})}}" if note else ""
    broken = [f"{BREAK} ".join(_broken(side)) for side in sides]
    if sum(map(_length, (left, *sides))) <= LINE:
        return f"{left} &= {' = '.join(sides)}{said}"
    between = " \\\\\n  &= "
    return f"{left} &= {between.join(broken)}{said}"


def _length(side: str) -> int:
    """Return about how many characters wide a side is."""
    return len(re.sub(r"\\[a-zA-Z]+|[{}_^]", "", side).replace(" ", ""))


def _broken(side: str) -> list[str]:
    """Return a side in parts that fit a line, cut before a sign outside all brackets."""
    parts, depth = [""], 0
    for piece in re.split(r"( [-+] )", side):
        if depth == 0 and _length(parts[-1] + piece) > LINE and re.fullmatch(" [-+] ", piece):
            parts.append("")
        parts[-1] += piece
        depth += sum(piece.count(each) for each in "({") - sum(piece.count(e) for e in ")}")
    return [part.strip() for part in parts]


def _word(word: str, name: str) -> str:
    """Return a word, or a number, as an index."""
    return word if name == "n" else tex.in_math(clipped(word))


def _number(x: object, write: w.Write) -> str:
    assert isinstance(x, float)  # the others are vectors
    return tex.number(write(x))


def _vector(lines: list[Line], write: w.Write) -> str:
    values = [x for line in lines for x in w.values(line)]
    if len(values) <= VECTOR:
        return f"({', '.join(_number(x, write) for x in values)})"
    first, last = (", ".join(_number(x, write) for x in each) for each in (values[:3], values[-2:]))
    return rf"({first}, \dots, {last})"

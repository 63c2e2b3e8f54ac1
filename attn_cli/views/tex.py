r"""What all views in LaTeX share: how words and numbers are written, and the first line.

Words come from users and from tokenizers, so they hold anything. None of their characters may act
on the document: `words` escapes those of TeX itself, those that packages such as babel make active
(`"`, `<`, `>`, `|`, `~`), and those that become a ligature or another character in TeX's usual
fonts.
"""

from __future__ import annotations

import re

from attn_cli.errors import printable
from attn_cli.formula.latex import SPECIAL

# Beyond ASCII, what pdflatex takes without a package (LaTeX 2020 and later). Found by compiling
# every printable character; `tests/golden/test_latex_compiles.py` compiles these.
PDFLATEX = frozenset(
    "¡¢£¤¥¦§¨©ª¬®¯°±²³´µ¶·¸¹º¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖ×ØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõö÷øùúûüýÿ"
    "ĀāĂăĆćĈĉĊċČčĎďĒēĔĕĖėĚěĜĝĞğĠġĢģĤĥĨĩĪīĬĭİıĲĳĴĵĶķĹĺĻļĽľŁłŃńŅņŇňŌōŎŏŐőŒœŔŕŖŗŘřŚśŜŝŞşŠš"
    "ŢţŤťŨũŪūŬŭŮůŰűŴŵŶŷŸŹźŻżŽžƒǄǅǆǇǈǉǊǋǌǍǎǏǐǑǒǓǔǢǣǦǧǨǩǰǴǵȘșȚțȲȳȷˆˇ˘˙˜˝฿ḂḃḍḞḟḠḡḥḰḱḷṃṅṇṛṣṭẎẏẐẑẞỲỳ"
    "‐‑‒–—―‖‘’“”†‡•…‰‱※‽⁄⁎⁒₡₤₦₩₫€₱℃№℗℞℠™℧℮←↑→↓␢␣◦◯♪⟨⟩〈〉ﬀﬁﬂﬃﬄﬅﬆ"
)
_WORDS = str.maketrans(
    {
        **{chr(code): text for code, text in SPECIAL.items()},
        '"': r"\symbol{34}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "'": r"\textquotesingle{}",
        "`": r"\`{}",
        "\u2581": r"\textvisiblespace{}",  # the mark of a space in the tokens of SentencePiece
    }
)
_LIGATURES = re.compile(r"(?<=-)(?=-)|(?<=,)(?=,)")
_KEPT_SPACES = re.compile(r"^ | $|(?<= ) ")  # TeX drops spaces at an end and all but one of several
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def words(text: str) -> str:
    r"""Return any text as plain LaTeX, for a paragraph, a cell of a table, or inside `\text`.

    Control characters, newlines and marks of direction are escapes, as in tables. Spaces stay as
    many as they are.

    >>> words("50 % of d_k"), words("\u2581the")
    ('50 \\% of d\\_k', '\\textvisiblespace{}the')
    >>> words("<s>"), words("a\u202eb")
    ('\\textless{}s\\textgreater{}', 'a\\textbackslash{}u202eb')
    """
    shown = printable(text).translate(_WORDS)
    shown = _LIGATURES.sub(r"\\/", shown)
    shown = _KEPT_SPACES.sub(r"\\ ", shown)
    # After the end of a row LaTeX takes these two for arguments of the row's end.
    return f"{{{shown[0]}}}{shown[1:]}" if shown[:1] in {"[", "*"} else shown


def in_math(text: str) -> str:
    r"""Return any text for math mode.

    >>> in_math("cat")
    '\\text{cat}'
    """
    return rf"\text{{{words(text)}}}"


def number(shown: str) -> str:
    r"""Return a number, as views write it, for math mode.

    >>> number("-0.25"), number("-inf"), number("nan"), number("1.2e-05"), number("1e+20")
    ('-0.25', '-\\infty', '\\mathrm{nan}', '1.2\\times 10^{-5}', '10^{20}')
    """
    mantissa, _, exponent = shown.partition("e")
    if mantissa.endswith("inf"):
        return mantissa.replace("inf", r"\infty")
    if mantissa.endswith("nan"):
        return r"\mathrm{nan}"
    if not exponent:
        return shown
    power = f"10^{{{int(exponent)}}}"
    if mantissa in {"1", "-1"}:
        return mantissa.replace("1", power)
    return rf"{mantissa}\times {power}"


def needs(body: str, *more: str) -> str:
    r"""Return the comment that says which packages and which engine a text in LaTeX needs.

    >>> needs("\\text{caf\u00e9}")
    '% needs amsmath'
    >>> needs("\\text{\u65e5\u672c}", "booktabs")
    '% needs amsmath, booktabs, and lualatex or xelatex for: \u65e5 \u672c'
    """
    packages = ", ".join(("amsmath", *more))
    other = beyond_pdflatex(body)
    if not other:
        return f"% needs {packages}"
    return f"% needs {packages}, and lualatex or xelatex for: {' '.join(other)}"


def beyond_pdflatex(body: str) -> list[str]:
    """Return the characters that pdflatex does not take, each once, in the order in which they are.

    >>> beyond_pdflatex("é, Ġ, \u65e5\u672c\u65e5")
    ['\u65e5', '\u672c']
    """
    found = dict.fromkeys(_BEYOND_ASCII.findall(body))
    return [character for character in found if character not in PDFLATEX]

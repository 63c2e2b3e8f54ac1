"""HTML: elements, tokens and numbers as text that cannot be taken for markup."""

from __future__ import annotations

from base64 import b64encode

from attn_cli.errors import printable

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_BETWEEN = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
VOID = frozenset(("meta", "img", "input"))
DRAWN = frozenset(("path",))  # of a drawing: an element without content may end itself

Value = str | int | float | bool | None


def text(words: object) -> str:
    """Return text as it is shown, with escapes for what would act on the page.

    >>> text("<b> & \\x1b")
    '&lt;b&gt; &amp; \\\\x1b'
    """
    return printable(str(words)).translate(_ESCAPES)


def inside(words: str) -> str:
    """Return text between tags, where quotes need no escapes.

    >>> inside('"<b>"')
    '"&lt;b&gt;"'
    """
    return printable(words).translate(_BETWEEN)


def number(shown: str) -> str:
    """Return a number of a table with the signs of the page.

    >>> number("-inf")
    '\u2212\u221e'
    """
    return shown.replace("-", "\u2212").replace("inf", "\u221e")


def token(word: str) -> str:
    """Return a token: letters from right to left do not turn what is around it.

    >>> token("cat")
    '<bdi>cat</bdi>'
    """
    return f"<bdi>{text(word)}</bdi>"


def element(name: str, /, *inside: str, **attributes: Value) -> str:
    """Return an element; `inside` is markup. An attribute that is True has no value; None: none.

    >>> element("td", "1", class_="m", data_at=0, hidden=True)
    '<td class=m data-at=0 hidden>1</td>'
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}{_value(value)}"
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return f"<{name}{written}>"
    if name in DRAWN and not inside:
        return f"<{name}{written} />"
    return f"<{name}{written}>{''.join(inside)}</{name}>"


def _value(value: Value) -> str:
    if value is True:
        return ""
    shown = text(value)
    plain = bool(shown) and all(c.isascii() and (c.isalnum() or c in "-_.:") for c in shown)
    if shown == "":
        return '=""'
    return f"={shown}" if plain else f'="{shown}"'


def picture(data: bytes) -> str:
    """Return a PNG as an address."""
    return f"data:image/png;base64,{b64encode(data).decode()}"

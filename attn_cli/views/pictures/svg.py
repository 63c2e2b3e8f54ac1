"""SVG as text: elements whose attributes and contents are escaped, in ASCII, with short numbers.

The same calls give the same bytes: attributes are written in the order given, ids are fixed, and
there is no date and nothing random. Lines end with LF.
"""

from __future__ import annotations

from collections.abc import Iterable

Value = str | float

# resvg draws nothing if it finds none of them: `monospace` is Courier New to it.
FONT = "DejaVu Sans Mono, Menlo, Consolas, Liberation Mono, Noto Sans Mono, monospace"
SIZE = 11  # pixels: the usual size of text
INK, PALE_INK, GROUND = "#000", "#555", "#fff"

_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def escaped(text: str) -> str:
    """Return text for an element or an attribute, in ASCII.

    What no XML may hold has been made visible before: see `attn_cli.views.invisible.drawable`.

    >>> escaped('"a" < b & é')
    '&quot;a&quot; &lt; b &amp; &#233;'
    """
    return text.translate(_MARKUP).encode("ascii", "xmlcharrefreplace").decode()


def number(x: float) -> str:
    """Return a coordinate with at most two decimals.

    >>> number(34), number(2.5), number(1 / 3), number(-0.001)
    ('34', '2.5', '0.33', '0')
    """
    text = f"{x:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(name: str, *content: str, **attributes: Value) -> str:
    """Return an element around content that is SVG already.

    In names of attributes _ is written for -. Numbers are written as `number` does.

    >>> element("path", title("a < b"), d="M0 0", stroke_width=1.5)
    '<path d="M0 0" stroke-width="1.5"><title>a &lt; b</title></path>'
    """
    head = f"<{name}{''.join(f' {_attribute(*item)}' for item in attributes.items())}"
    return f"{head}>{''.join(content)}</{name}>" if content else f"{head}/>"


def _attribute(name: str, value: Value) -> str:
    text = escaped(value) if isinstance(value, str) else number(value)
    return f'{name.replace("_", "-")}="{text}"'


def title(text: str) -> str:
    """Return a title, which viewers show if the pointer is on the element around it."""
    return f"<title>{escaped(text)}</title>"


def text(content: str, x: float, y: float, *, whole: str = "", **attributes: Value) -> str:
    """Return a line of text with its baseline at y; `whole` is its title, if it was clipped."""
    titles = (title(whole),) if whole and whole != content else ()
    return element("text", *titles, escaped(content), x=x, y=y, **attributes)


def frame(x: float, y: float, width: float, height: float) -> str:
    """Return a thin line around an area, which shows where pale cells end."""
    d = f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}z"
    return element("path", d=d, fill="none", stroke="#ccc", stroke_width=0.5)


def group(elements: Iterable[str], **attributes: Value) -> str:
    """Return a group with one element on each line."""
    return element("g", "\n", *(f"{each}\n" for each in elements), **attributes)


def document(
    width: float, height: float, *, name: str, description: str, body: Iterable[str]
) -> str:
    """Return a whole SVG on a white ground, with a name and a description for screen readers.

    Width and height are whole pixels, so that a picture of it has exactly twice as many.
    """
    heads = (
        title(name),
        f"<desc>{escaped(description)}</desc>",
        element("rect", width=width, height=height, fill=GROUND),
    )
    return (
        element(
            "svg",
            "\n",
            *(f"{part}\n" for part in (*heads, *body)),
            xmlns="http://www.w3.org/2000/svg",
            width=width,
            height=height,
            viewBox=f"0 0 {number(width)} {number(height)}",
            role="img",
            font_family=FONT,
            font_size=SIZE,
            **{"xml:space": "preserve"},  # tokens may begin with blanks
        )
        + "\n"
    )

"""Style and script of the page, read from this package; the colours come from the ramps."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files

from attn_cli.views.colour import LEVELS, RGB, hex_of, ramp, text_on
from attn_cli.views.html.markup import element
from attn_cli.views.html.small import small_script, small_style

LETTERS = {False: "s", True: "d"}  # of the classes of a ramp: sequential, diverging
# The classes of the levels of the sequential ramp, short as there are many cells; one letter each,
# without those that are other classes.
SEQUENTIAL = "ABCDEFGHIJKLMNOPQRSTUVWXYZefghjkl"
STOPS = 8  # parts of the gradient of a legend: its colours are those of every fourth level


@cache
def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def script(*names: str) -> str:
    """Return the script: these files, in order, in one function."""
    inside = "\n".join(map(_read, names))
    return small_script(f'"use strict";\n(() => {{\n{inside}}})();\n')


@cache
def _sheet(name: str) -> str:
    return small_style(_read(name))


def style(*names: str, used: Mapping[bool, Iterable[int]]) -> str:
    """Return the style, with the colours of the levels that are used of each ramp."""
    rules = [rule for kind, of in used.items() for rule in _ramp(kind, sorted(of))]
    return "\n".join([*map(_sheet, names), "".join(rules)])


def _ramp(kind: bool, used: Iterable[int]) -> Iterator[str]:
    """Yield the grounds of levels in the light and in the dark, and the text on them."""
    letter = LETTERS[kind]
    light, dark = (ramp(diverging=kind, light=light).colours for light in (True, False))
    inks: dict[str, list[str]] = {}
    for level in used:
        pair = light[level], dark[level]
        yield f"{_selector(kind, level)}{{background:{_both(*pair)}}}"
        ink = _both(*map(text_on, pair)).replace("000000", "000").replace("ffffff", "fff")
        inks.setdefault(ink, []).append(_selector(kind, level))
    for ink, names in inks.items():
        yield f"{','.join(names)}{{color:{ink}}}"
    every = range(0, LEVELS + 1, LEVELS // STOPS)
    stops = ",".join(_both(light[level], dark[level]) for level in every)
    yield f".ramp.{letter} i{{background:linear-gradient(90deg,{stops})}}"


def _selector(kind: bool, level: int) -> str:
    """Return the cells of a level: those of weights without a class have the first colour."""
    return f".{shade(kind, level)}" if kind or level else ":where(.map tbody) td"


def _both(light: RGB, dark: RGB) -> str:
    return f"light-dark({hex_of(light)},{hex_of(dark)})"


def shade(diverging: bool, level: int) -> str:
    """Return the class of a level of a ramp."""
    return f"d{level}" if diverging else SEQUENTIAL[level]


def digest(text: str) -> str:
    """Return the hash of a script, as a content security policy names it."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def filters(diverging: tuple[bool, ...], every: int = 1) -> str:
    """Return the filters that give pictures of numbers the colours of the ramps.

    A pixel is 255 t, which is looked up in the ramp, of which every so many-th colour is there.
    """
    found = [
        _filter(f"{LETTERS[kind]}-{'light' if light else 'dark'}",
                ramp(diverging=kind, light=light).colours[::every])
        for kind in diverging
        for light in (True, False)
    ]  # fmt: skip
    return element("svg", *found, width=0, height=0, aria_hidden="true", class_="filters")


def _filter(name: str, colours: tuple[RGB, ...]) -> str:
    tables = "".join(
        f'<feFunc{c} type=table tableValues="{" ".join(_part(rgb[at]) for rgb in colours)}"/>'
        for at, c in enumerate("RGB")
    )
    looked_up = f"<feComponentTransfer>{tables}</feComponentTransfer>"
    box = 'x=0 y=0 width="1" height="1"'
    return f"<filter id={name} color-interpolation-filters=sRGB {box}>{looked_up}</filter>"


def _part(of_255: int) -> str:
    """Return a part of a colour, from 0 to 1, in three digits at most."""
    return f"{of_255 / 255:.3f}".strip("0").rstrip(".") or "0"


def filter_rules(diverging: tuple[bool, ...]) -> str:
    """Return the rules that choose a filter: by the system, by the button, light in print."""

    def of(*, light: bool) -> str:
        ground = "light" if light else "dark"
        return "".join(f"--{LETTERS[kind]}:url(#{LETTERS[kind]}-{ground});" for kind in diverging)

    uses = "".join(f"img.{LETTERS[kind]}{{filter:var(--{LETTERS[kind]})}}" for kind in diverging)
    dark, screen = of(light=False), "@media screen and (prefers-color-scheme:dark)"
    return (
        f":root{{{of(light=True)}}}{screen}{{:root:not([data-theme=light]){{{dark}}}}}"
        f"@media screen{{:root[data-theme=dark]{{{dark}}}}}{uses}"
    )

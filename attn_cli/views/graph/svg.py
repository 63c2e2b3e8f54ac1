"""A graph as SVG: queries on the left, keys on the right, a curve for each weight.

The width of a curve is its weight: 12 pixels for a weight of 1, or for the largest weight if that
is more. Weaker curves are drawn first, so that stronger ones lie above them. Each batch entry and
head has a panel of its own, all on one scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import ceil

from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError
from attn_cli.lab.weights_graph import Graph, Node
from attn_cli.views import Style
from attn_cli.views.colour import hex_of, ramp
from attn_cli.views.graph.parts import chosen, largest, left_out, strengths, weights
from attn_cli.views.pictures import svg
from attn_cli.views.pictures.labels import names, shortened, token, width
from attn_cli.views.pictures.panels import MARGIN, placed

MOST_TOKENS = 60
MOST_PAIRS = 1 << 14  # of query and key in all panels together: two megabytes
LEAST_PAIRS = 1 << 8  # that a panel counts for
THICK = 12  # pixels of the widest curve
PITCH = 24  # from token to token
SPAN = 248  # from queries to keys
GAP = 6  # between a token and its curves
TOKEN = 13  # the size of a token's text
TITLE, HEADS = 20, 28  # the heights of a panel's title and of the heads of its columns
PLAIN = "#1f5fc0"  # of curves, if no weight is negative
SAMPLES = (0.1, 0.25, 0.5, 1.0)  # parts of the largest weight that the legend has lines for

Entry = tuple[tuple[str, int], ...]


def check_size(queries: int, keys: int, panels: int) -> None:
    """Raise AttnError, before anything is computed, for more than curves can show."""
    if max(queries, keys) > MOST_TOKENS:
        raise AttnError(
            f"curves are drawn for up to {MOST_TOKENS} tokens, and there are {queries} queries and "
            f"{keys} keys",
            help="for more write: attn heatmap FILE -o weights.svg",
        )
    most = MOST_PAIRS // max(queries * keys, LEAST_PAIRS)
    if panels > most:
        raise AttnError(
            f"a picture has room for the curves of {most} heads of {queries} x {keys} tokens, and "
            f"there are {panels} in all batch entries",
            help="choose one with --head N, and one batch entry with --batch N",
        )


def render(graph: Graph, style: Style) -> str:
    """Return the drawing."""
    entries = [tuple(zip(graph.lead, at, strict=True)) for at in product(*graph.lead.values())]
    columns = _Columns.of(graph, titled=len(entries) > 1)
    panels = placed(len(entries), columns.width, columns.height)
    curves = _curves(graph, style, columns)
    body = [
        svg.group(
            [*columns.drawn(chosen(graph, dict(entry))), *curves.get(entry, ())],
            transform=f"translate({svg.number(x)} {svg.number(y)})",
        )
        for entry, (x, y) in zip(entries, panels.corners, strict=True)
    ]
    legend = _Legend.of(graph, panels.height + MARGIN)
    return svg.document(
        ceil(max(panels.width, legend.width)),
        ceil(legend.bottom),
        name="weights: queries on the left, keys on the right",
        description=_description(graph, len(entries)),
        body=[*body, *legend.elements],
    )


@dataclass(frozen=True)
class _Columns:
    """Two columns of tokens, and where curves between them begin and end."""

    queries: tuple[Node, ...]
    keys: tuple[Node, ...]
    left: float  # the end of the text of queries
    right: float  # the beginning of the text of keys
    width: float
    top: float  # the middle of the first token

    @classmethod
    def of(cls, graph: Graph, *, titled: bool) -> _Columns:
        """Return the columns of a graph; in self-attention all tokens are in both."""
        queries, keys = (
            tuple(node for node in graph.nodes if node.kind in {"token", kind})
            for kind in ("query", "key")
        )
        left = _room("query", queries)
        right = left + SPAN + 2 * GAP
        top = HEADS + TITLE * (titled or bool(chosen(graph))) + PITCH / 2
        return cls(queries, keys, left, right, right + _room("key", keys), top)

    @property
    def height(self) -> float:
        """The height of the panel, down to the end of the last token's line."""
        return self.top + PITCH * (max(len(self.queries), len(self.keys)) - 0.5)

    def drawn(self, title: str) -> Iterator[str]:
        """Yield the texts: the title of the panel, the heads of the columns, the tokens."""
        head = self.top - PITCH / 2 - HEADS + svg.SIZE
        if self.top > HEADS + PITCH / 2:
            yield svg.text(title, 0, svg.SIZE, font_weight="bold")
        for kind, nodes, x, anchor in (
            ("query", self.queries, self.left, "end"),
            ("key", self.keys, self.right, "start"),
        ):
            yield svg.text(kind, x, head, fill=svg.PALE_INK, text_anchor=anchor)
            tokens = [token(node.label, x, self._y(node) + 0.35 * TOKEN) for node in nodes]
            yield svg.group(tokens, font_size=TOKEN, text_anchor=anchor)

    def curve(self, query: Node, key: Node) -> str:
        """Return the path from a query to a key."""
        begin, end = self.left + GAP, self.right - GAP
        numbers = (begin, (begin + end) / 2, end, self._y(query), self._y(key))
        x0, x1, x2, y0, y1 = map(svg.number, numbers)
        return f"M{x0} {y0}C{x1} {y0} {x1} {y1} {x2} {y1}"

    def _y(self, node: Node) -> float:
        return self.top + PITCH * node.position


def _room(head: str, nodes: tuple[Node, ...]) -> float:
    """Return how wide a column of tokens is."""
    return max([width(head, svg.SIZE), *(width(shortened(node.label), TOKEN) for node in nodes)])


def _curves(graph: Graph, style: Style, columns: _Columns) -> dict[Entry, list[str]]:
    """Return the curves of each panel, the weakest first."""
    nodes = {node.id: node for node in graph.nodes}
    named = {
        node.id: name
        for side in (columns.queries, columns.keys)
        for node, name in zip(side, names([n.label for n in side], range(len(side))), strict=True)
    }
    numbers = weights(graph, style.decimals, align=False)
    look = _Look.of(graph)
    found: dict[Entry, list[str]] = {}
    each = zip(graph.edges, numbers, strengths(graph), strict=True)
    for edge, number, strength in reversed(list(each)):
        query, key = nodes[edge.source], nodes[edge.target]
        title = f"{named[edge.source]} \u2192 {named[edge.target]}: {number}"
        found.setdefault(tuple(edge.entry.items()), []).append(
            svg.element(
                "path",
                svg.title(title),
                d=columns.curve(query, key),
                **look.of_weight(strength, negative=edge.weight < 0),
            )
        )
    return {entry: [svg.group(curves, fill="none")] for entry, curves in found.items()}


@dataclass(frozen=True)
class _Look:
    """How curves are drawn: opaque if they are strong; in two colours if some are negative."""

    most: float  # the strength of the strongest
    signed: bool

    @classmethod
    def of(cls, graph: Graph) -> _Look:
        """Return the look of the curves of a graph."""
        return cls(max(strengths(graph), default=1.0), any(edge.weight < 0 for edge in graph.edges))

    def of_weight(self, strength: float, *, negative: bool = False) -> dict[str, svg.Value]:
        """Return the attributes of a curve; negative ones are dashed too."""
        colours = ramp(diverging=True, light=True).colours
        colour = hex_of(colours[0 if negative else -1]) if self.signed else PLAIN
        look: dict[str, svg.Value] = {
            "stroke": colour,
            "stroke_width": THICK * strength,
            "stroke_opacity": 0.35 + 0.5 * min(strength / self.most, 1.0),
        }
        return look | ({"stroke_dasharray": "6 3"} if negative else {})


@dataclass(frozen=True)
class _Legend:
    """Lines of four widths with the weights that they mean, and the count of edges left out."""

    elements: list[str]
    width: float
    bottom: float

    @classmethod
    def of(cls, graph: Graph, top: float) -> _Legend:
        """Return the legend below a drawing."""
        look, most = _Look.of(graph), largest(graph)
        elements: list[str] = []
        x, y = float(MARGIN), top + THICK / 2
        for part in SAMPLES if graph.edges else ():
            line = f"M{svg.number(x)} {svg.number(y)}h24"
            elements.append(svg.element("path", d=line, **look.of_weight(part)))
            shown = f"{part * most:.3g}"
            elements.append(svg.text(shown, x + 24 + GAP, y + 0.35 * svg.SIZE))
            x += 24 + GAP + width(shown, svg.SIZE) + 18
        y += THICK / 2
        notes = ["blue and dashed: below 0"] if look.signed else []
        notes += [left_out(graph)] if left_out(graph) else []
        for note in notes:
            y += 16
            elements.append(svg.text(note, MARGIN, y, fill=svg.PALE_INK))
        wide = max([x, *(MARGIN + width(note, svg.SIZE) for note in notes)])
        return cls(elements, wide + MARGIN, y + MARGIN)


def _description(graph: Graph, panels: int) -> str:
    """Return what the picture shows, in words: sizes, how thick curves are, what is not drawn."""
    kinds = [node.kind for node in graph.nodes]
    queries = len(kinds) - kinds.count("key")
    keys = kinds.count("key") or queries
    parts = [f"{queries} queries, {keys} keys"]
    parts += [chosen(graph)] if chosen(graph) else []
    parts += [f"{panels} batch entries and heads"] if panels > 1 else []
    parts += [
        f"{len(graph.edges)} curves, {THICK} pixels wide for a weight of {largest(graph):.15g}"
    ]
    parts += [left_out(graph)] if left_out(graph) else []
    parts += [f"{graph.hidden} pairs of query and key are hidden"] if graph.hidden else []
    return "; ".join(parts)

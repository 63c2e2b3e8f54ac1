"""Changes of an input: of its bytes, or of the tree that it stands for."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from attn_cli.reading.keys import KEYS
from attn_cli.sources.text.events import Quoted

LONGEST = 1 << 16  # bytes of an input

NUMBERS = (
    "0", "-1", "1", "2", "3", "7", "-0", "0.5", "-inf", "inf", "nan", ".inf", ".nan", "1e400",
    "-1e400", "1e-400", "5e-324", "1e308", "65504", "3.5e38", "2147483648", "9223372036854775808",
    "9007199254740993", "99999999999999999999", "1" * 400, "1_000", "0x10", "010", "1,5", "12:30",
    "1/2", "sqrt(2)", "1/0", "sqrt(-1)", "+", "-", ".", "1e", "--1",
)  # fmt: skip
WORDS = (
    "", "~", "null", "true", "false", "yes", "no", "none", "[]", "{}", "[[]]", "[[1]]", "[[1, 2]]",
    "[[1], [2, 3]]", "[1, [2]]", "{a: 1}", "''", '""', "'1'", "x.npy", "x.npz#a", "x.csv",
    "nowhere", ".", "-", "dot", "scaled", "softmax", "causal", "é", "e\u0301", "猫", "\u202e",
    "\x1b[31m", "\u2028", "\ufeff", "a" * 300, "torch", "float16", "bfloat16", "rows", "columns",
    "top-left", "bottom-right", "uniform", "[0, 1]", "[[0, 1], [1, 0]]", "{query: [0], key: [0]}",
)  # fmt: skip
MARKS = (
    "[", "]", "{", "}", ":", ": ", ", ", ",", "- ", "? ", "&a ", "*a", "!!x ", "! ", "|", ">", "'",
    '"', "#", " #", "%", "@", "`", "---", "...", "\n", "\r", "\r\n", "\t", " ", "  ", "\\",
    '"\\u0000"', '"\\ud800"', "\x00", "\x1b", "\x7f", "\x85", "\u2029", "\x07", "\x08", ";",
    "=", ".", "<<: ",
)  # fmt: skip
TOKENS = tuple(
    token.encode() for token in (*NUMBERS, *WORDS, *MARKS, *(f"{key}: " for key in KEYS))
)
_NUMBER = re.compile(rb"[-+]?[0-9][0-9.e+-]*")

Change = Callable[[Random, bytearray, Sequence[bytes], Sequence[bytes]], None]


def _slice(random: Random, data: bytearray, most: int = 64) -> slice:
    start = random.randrange(len(data) + 1)
    return slice(start, min(len(data), start + random.randrange(1, most)))


def _flip(random: Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _byte(random: Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice((0, 1, 9, 10, 13, 27, 32, 127, 128, 255))


def _insert(random: Random, data: bytearray, _: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    data[at:at] = random.choice(tokens)


def _instead(random: Random, data: bytearray, _: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    data[_slice(random, data, 12)] = random.choice(tokens)


def _delete(random: Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    del data[_slice(random, data)]


def _cut(random: Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    del data[random.randrange(len(data) + 1) :]


def _twice(random: Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    part = data[_slice(random, data)]
    at = random.randrange(len(data) + 1)
    data[at:at] = part


def _often(random: Random, data: bytearray, _: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    part = random.choice((bytes(data[_slice(random, data, 8)]), random.choice(tokens)))
    at = random.randrange(len(data) + 1)
    data[at:at] = part * random.choice((2, 17, 100, 1100))


def _splice(random: Random, data: bytearray, seeds: Sequence[bytes], _: Sequence[bytes]) -> None:
    other = bytearray(random.choice(seeds))
    data[_slice(random, data)] = other[_slice(random, other)]


def _line(random: Random, data: bytearray, seeds: Sequence[bytes], _: Sequence[bytes]) -> None:
    lines = data.split(b"\n")
    other = bytearray(random.choice(seeds)).split(b"\n")
    lines.insert(random.randrange(len(lines) + 1), random.choice(other))
    data[:] = b"\n".join(lines)


def _without_line(random: Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    lines = data.split(b"\n")
    del lines[random.randrange(len(lines))]
    data[:] = b"\n".join(lines)


def _number(random: Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    found = list(_NUMBER.finditer(data))
    if found:
        match = random.choice(found)
        data[match.start() : match.end()] = random.choice(NUMBERS).encode()


ANY: tuple[Change, ...] = (_flip, _byte, _insert, _instead, _delete, _cut, _twice, _often, _splice)
OF_TEXT: tuple[Change, ...] = (
    *ANY,
    _insert,
    _line,
    _line,
    _without_line,
    _number,
    _number,
    _number,
)


def mutated(
    random: Random,
    seeds: Sequence[bytes],
    changes: Sequence[Change] = OF_TEXT,
    tokens: Sequence[bytes] = TOKENS,
) -> bytes:
    """Return one of the seeds with a few changes."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5))):
        random.choice(changes)(random, data, seeds, tokens)
    return bytes(data[:LONGEST])


def mutated_tree(random: Random, trees: Sequence[Any]) -> Any:
    """Return one of the trees with a few nodes that are others."""
    tree = copy.deepcopy(random.choice(trees))
    for _ in range(random.choice((1, 1, 1, 2, 2, 3))):
        places = _places(tree)
        if not places:
            break
        parent, key = random.choice(places)
        _change_node(random, parent, key, trees)
    return tree


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Return each parent with each of its keys or indices."""
    found: list[tuple[Any, Any]] = []
    below = [tree]
    while below:
        node = below.pop()
        if isinstance(node, dict | list):
            keys = list(node) if isinstance(node, dict) else range(len(node))
            found += [(node, key) for key in keys]
            below += [node[key] for key in keys]
    return found


def _change_node(random: Random, parent: Any, key: Any, trees: Sequence[Any]) -> None:
    what = random.randrange(6)
    if what == 0:
        del parent[key]
    elif what == 1:
        parent[key] = random.choice(NUMBERS)
    elif what == 2:
        parent[key] = random.choice((str, Quoted))(random.choice(WORDS))
    elif what == 3:
        parent[key] = [copy.deepcopy(parent[key])] * random.choice((1, 1, 2, 3))
    elif what == 4:
        other, there = random.choice(_places(random.choice(trees)))
        parent[key] = copy.deepcopy(other[there])
    elif isinstance(parent, dict):
        parent[random.choice(tuple(KEYS))] = parent.pop(key)
    else:
        parent.insert(key, copy.deepcopy(parent[key]))


_PLAIN = re.compile(r"[A-Za-z0-9.+-][A-Za-z0-9_.+-]*")


def written(tree: Any) -> str:
    """Return a tree as YAML in one line; words that could be read as anything else are quoted."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{written(k)}: {written(v)}" for k, v in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(written, tree)) + "]"
    if _PLAIN.fullmatch(tree) and not isinstance(tree, Quoted):
        return str(tree)
    return json.dumps(str(tree))

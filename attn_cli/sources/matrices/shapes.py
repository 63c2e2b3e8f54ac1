"""Symbolic shapes: each letter has one size in a problem, fixed by the first array with it."""

from __future__ import annotations

from math import prod

from attn_cli.errors import AttnError, Path, dotted


class Shapes:
    """The sizes of d_model, d_k, n_q, ... that the arrays read so far have fixed."""

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, str]] = {"1": (1, "")}

    def size(self, symbol: str) -> int | None:
        """Return the size of a symbol, a sum (d_q + d_k) or a product (heads d_k).

        None if a part of it is not fixed yet.
        """
        if symbol in self._sizes:
            return self._sizes[symbol][0]
        total = 0
        for term in symbol.split(" + "):
            factors = [self._sizes.get(factor) for factor in term.split(" ")]
            if None in factors:
                return None
            total += prod(size[0] for size in factors if size)
        return total

    def owner(self, symbol: str) -> str:
        """Return the name of the array that fixed a symbol, or the last factor of a product."""
        return self._sizes[symbol.rsplit(" ", maxsplit=1)[-1]][1]

    def fix(self, symbol: str, size: int, name: str) -> None:
        """Fix the size of a symbol; `name` is the array that has it."""
        self._sizes.setdefault(symbol, (size, name))

    def bind(
        self,
        path: Path,
        shape: tuple[int, ...],
        symbols: tuple[str, ...],
        *,
        help: str | None = None,
    ) -> None:
        """Check a shape against its symbols, and fix those that are new.

        Raises AttnError: name, symbolic shape = numbers, and the array that differs.
        """
        name = dotted(path)
        for symbol, size in zip(symbols, shape, strict=True):
            expected = self.size(symbol)
            if expected is None or expected == size:
                continue
            raise AttnError(
                f"{name} has shape {shape_text(symbols)} = {shape_text(shape)}"
                f"{self._but(symbol, expected)}",
                path=path,
                help=help or self._advice(name, symbol),
            )
        for symbol, size in zip(symbols, shape, strict=True):
            if " " not in symbol:
                self.fix(symbol, size, name)

    def _but(self, symbol: str, expected: int) -> str:
        if symbol == "1":
            return ", where 1 is expected"
        if " " in symbol:
            return f" but {symbol} = {expected}"
        return f" but {self.owner(symbol)} has {symbol} = {expected}"

    def _advice(self, name: str, symbol: str) -> str:
        if symbol == "1":
            return f"{name} has one row: write [[...]]"
        if " + " in symbol:
            return f"{name} needs one number per dimension of query and key"
        return f"{name} and {self.owner(symbol)} must agree in {symbol}"


def row_or_column(size: int, one: str, many: str) -> str:
    """Return the advice to write `size` numbers as a matrix: as one row, or one column.

    >>> row_or_column(2, "row", "rows")
    'write [[1, 2]] for one row of 2 numbers, or [[1], [2]] for 2 rows of one number'
    """
    if size < 2:
        return "write it with two pairs of brackets: [[1]]"
    shown = [str(n) for n in range(1, min(size, 3) + 1)] + ["..."] * (size > 3)
    column = ", ".join(n if n == "..." else f"[{n}]" for n in shown)
    return (
        f"write [[{', '.join(shown)}]] for one {one} of {size} numbers, or [{column}] for {size} "
        f"{many} of one number"
    )


def shape_text(parts: tuple[object, ...]) -> str:
    """Return a shape as text for messages.

    >>> shape_text(("d_model", "d_k")), shape_text((3,))
    ('(d_model, d_k)', '(3)')
    """
    return f"({', '.join(map(str, parts))})"

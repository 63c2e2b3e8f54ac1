"""The worker of our side: attention through the Python API, and reading YAML."""

from __future__ import annotations

import functools
import platform
from typing import Any

import numpy as np

import attn_cli
from benchmarks.inside import arrays, dictionaries, identifying, learning
from benchmarks.inside.loop import Prepared, peak, serve

prepared = Prepared()


def versions() -> dict[str, str]:
    """Return the versions of what takes part."""
    import yaml

    build: Any = np.show_config(mode="dicts")
    blas = build["Build Dependencies"]["blas"]
    return {
        "attn": attn_cli.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        blas["name"]: blas["version"],
        "pyyaml": yaml.__version__,
    }


def prepare(arrays: dict[str, str], threads: int, dtype: str, keys: dict[str, Any]) -> None:
    """Load Q, K and V; words in `keys` that end in .npy become the arrays of these files."""
    loaded = {name: np.load(file) for name, file in arrays.items()}
    attention = functools.partial(
        attn_cli.attention,
        **loaded,
        **_loaded(keys),
        threads=threads,
        steps=["output"],
        dtype=dtype,
    )
    prepared.work = lambda: attention()["output"]


def _loaded(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _loaded(inner) for name, inner in node.items()}
    if isinstance(node, str) and node.endswith(".npy"):
        return np.load(node)
    return node


def write_yaml(file: str, n: int, form: str, digits: int) -> None:
    """Write n x n standard normal numbers as the key `query` of a problem.

    `form` is 'rows', one list in brackets a line, or 'block', one number a line. `digits`
    after the point; 0 is as many as bring the number back.
    """
    matrix = np.random.default_rng(n).standard_normal((n, n))
    write = repr if digits == 0 else f"{{:.{digits}f}}".format
    cells = [[write(x) for x in row] for row in matrix.tolist()]
    if form == "block":
        rows = ["- " + "\n    - ".join(row) for row in cells]
    else:
        rows = [f"[{', '.join(row)}]" for row in cells]
    with open(file, "w", encoding="utf-8") as stream:
        stream.write("query:\n" + "".join(f"  - {row}\n" for row in rows))


def prepare_reading(file: str) -> None:
    """Prepare the file of a problem -> the array under `query`, by our reader."""
    from attn_cli.reading.schema import read_document
    from attn_cli.sources.matrices.files import Inputs
    from attn_cli.sources.matrices.matrix import read_array

    def read() -> Any:
        document = read_document(file, Inputs())
        return read_array(document, document.tree["query"], ("query",))

    prepared.work = read


def prepare_reading_by_yaml(file: str) -> None:
    """Prepare the file of a problem -> nested lists of floats, by libyaml."""
    import yaml

    def read() -> Any:
        with open(file, encoding="utf-8") as stream:
            return yaml.load(stream.read(), yaml.CSafeLoader)["query"]

    prepared.work = read


def prepare_search(files: dict[str, str], output: str, causal: bool) -> None:
    """Prepare the search for the convention that made an output."""
    prepared.work = identifying.search(files, output, causal)


def prepare_all_steps(files: dict[str, str], causal: bool) -> None:
    """Prepare attention with all steps, on one thread."""
    prepared.work = identifying.all_steps(files, causal)


def prepare_training(file: str, first: int) -> None:
    """Prepare the training that a problem file describes."""
    prepared.work = learning.training(file, first)


if __name__ == "__main__":
    serve(
        {
            "versions": versions,
            "normal": arrays.normal,
            "drawn": arrays.drawn,
            "reference": arrays.reference,
            "difference": arrays.difference,
            "prepare": prepare,
            "write_yaml": write_yaml,
            "prepare_reading": prepare_reading,
            "prepare_reading_by_yaml": prepare_reading_by_yaml,
            "write_output": identifying.write_output,
            "prepare_search": prepare_search,
            "prepare_all_steps": prepare_all_steps,
            "write_dictionary": dictionaries.write_dictionary,
            "write_training": learning.write_training,
            "prepare_training": prepare_training,
            "learn": prepared.returned,
            "run": prepared.run,
            "save": prepared.save,
            "peak": peak,
        }
    )

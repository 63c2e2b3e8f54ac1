"""LaTeX without TeX: what has to hold of any text that we write, and TeX itself if it is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# Tokens that act in LaTeX, in Markdown, on a terminal or on what shows them.
HOSTILE = [
    "\\", "{", "}", "\\{}$&#_%~^", '"a" <s> |x|', "`b` ''c'' --- ,,", "\u2581the", " two  sp ",
    "[CLS]", "*x*", "\x1b[31m\n", "a\u202eb\u2028", "x" * 300, "%", "\\input{x}", "^^5c",
]  # fmt: skip
FOREIGN = ["\u65e5\u672c", "\u043a\u043e\u0442", "\U0001f408", "\u05d0\u05d1", "e\u0301"]
ESCAPED = re.compile(r"\\[\\{}$&#_% ,;!`/]")
GRID = re.compile(r"\\begin\{(array|tabular)\}\{([^}]*)\}(.*?)\\end\{\1\}", re.DOTALL)
RULES = ("toprule", "midrule", "bottomrule", "hline")


def assert_whole(latex: str) -> None:
    """Braces, dollars, environments, \\left with \\right balance; rows are as wide as announced."""
    lines = [line for line in latex.splitlines() if not line.startswith("%")]
    bare = ESCAPED.sub("", "\n".join(lines).replace(r"\\", "\n"))
    depth = 0
    for at, character in enumerate(bare):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0, bare[max(0, at - 100) : at + 1]
    assert depth == 0
    assert bare.count("$") % 2 == 0
    assert not re.search(r"[%#~\"`]", bare)  # characters that act
    assert len(re.findall(r"\\left\b", bare)) == len(re.findall(r"\\right\b", bare))
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", bare):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    for _, form, body in GRID.findall("\n".join(lines)):
        columns = len(re.findall("[lcr]", form))
        rows = re.sub(rf"\\({'|'.join(RULES)})\b", "", body).split(r"\\")
        for row in filter(str.strip, rows):
            assert len(re.findall(r"(?<!\\)&", row)) == columns - 1, row


def problem_of(tokens: list[str]) -> str:
    """A problem with these tokens."""
    points = [[at % 5, at % 3] for at in range(len(tokens))]
    return json.dumps({"tokens": tokens, "embeddings": points, "causal": True})


def needed(latex: str) -> tuple[list[str], bool]:
    """The packages of the first line, and whether it asks for lualatex or xelatex."""
    first = latex.split("\n", 1)[0]
    found = re.fullmatch(r"% needs ([a-z, ]+?)(, and lualatex or xelatex for: \S+( \S+)*)?", first)
    assert found, first
    return found[1].split(", "), found[2] is not None


@cache
def has(engine: str, *packages: str) -> bool:
    """Whether TeX is there, with these packages."""
    if shutil.which(engine) is None or shutil.which("kpsewhich") is None:
        return False
    files = [f"{package}.sty" for package in packages]
    found = subprocess.run(["kpsewhich", *files], capture_output=True, check=False).stdout
    return len(found.split()) == len(files)


def compiled(engine: str, document: str, folder: Path) -> str:
    """Compile a document; return the log. An error of TeX is an AssertionError with its lines."""
    (folder / "it.tex").write_text(document, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    ran = subprocess.run(
        [engine, *options, "it.tex"], cwd=folder, capture_output=True, check=False, timeout=120
    )
    log = (folder / "it.log").read_bytes().decode(errors="replace")
    assert ran.returncode == 0, log[log.find("\n! ") :][:1500]
    return log


def joined(documents: Sequence[str]) -> str:
    """One document of several that have the same packages: the head of the first, all bodies."""
    begin, end = "\\begin{document}\n", "\\end{document}\n"
    bodies = [text.partition(begin)[2].removesuffix(end) for text in documents]
    assert all(bodies)
    return documents[0].partition(begin)[0] + begin + "\n\\newpage\n".join(bodies) + end

"""A notebook with a record in its last cell, run by Jupyter and exported by nbconvert."""

from __future__ import annotations

import re
import sys

import pytest

import attn_cli
from tests.conftest import SAMPLES
from tests.helpers.processes import run_to_end

SAMPLE = str(SAMPLES / "two_heads.yaml")
CELL = f"import attn_cli\nattn_cli.compute({SAMPLE!r})"
# A process of its own: Jupyter warns of much, and warnings are errors here.
PROGRAM = f"""
import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell({CELL!r})])
NotebookClient(notebook, kernel_name="python3").execute()
for safe in (True, False):
    page, _ = HTMLExporter(sanitize_html=safe).from_notebook_node(notebook)
    print(page, "END", sep="\\n")
"""


@pytest.fixture(scope="module")
def pages() -> list[str]:
    """The page that is made safe, and the one that is not."""
    done = run_to_end([sys.executable, "-c", PROGRAM], timeout=240)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().split("\nEND\n")


def test_a_page_that_is_made_safe_shows_the_tables(pages: list[str]) -> None:
    """Attributes are taken away, and tags that are not known would be shown as text."""
    shown = pages[0].split('<div class="attn">')[1]
    assert "&lt;td" not in pages[0]
    assert "weights = softmax(scores) (head x query x key: 2 x 4 x 4)" in shown
    weights = attn_cli.compute(SAMPLE)["weights"]
    tables = re.findall(r"<table>.*?</table>", shown, re.DOTALL)
    assert len(tables) == 2
    for table, expected in zip(tables, weights, strict=True):
        head, *rows = [
            re.findall(r"<td>(?:<b>)?(.*?)(?:</b>)?</td>", row) for row in table.split("<tr>")[1:]
        ]
        assert head == ["", "the", "cat", "drinks", "milk"]
        assert [row[0] for row in rows] == head[1:]
        for row, numbers in zip(rows, expected, strict=True):
            assert [float(text) for text in row[1:]] == pytest.approx(numbers, abs=5.0001e-5)


def test_a_page_has_the_looks_of_the_record(pages: list[str]) -> None:
    """nbconvert quotes attributes differently; their values are the same."""
    shown = pages[1][pages[1].index('<div class="attn"') :]
    ours = looks(attn_cli.compute(SAMPLE)._repr_html_())
    assert len(ours) > 50
    assert looks(shown)[: len(ours)] == ours


def looks(markup: str) -> list[str]:
    """The styles of the elements."""
    return [given.strip('"') for given in re.findall(r'style=("[^"]*"|[^ >]*)', markup)]

"""What is read: never the file that is replaced, and nothing that has no end."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from attn_cli import memory
from attn_cli.errors import AttnError
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.shapes import Shapes
from tests.conftest import SAMPLES, Attn
from tests.helpers.processes import ATTN, started

HELP = "help: write to another file, or add --force if it is to be replaced\n"
VECTORS = "le 1 0\nchat 0 1\ncat 1 1\n"
NOT_LIKE = (SAMPLES / "not_like.yaml").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with an input of every kind, in which we are."""
    (tmp_path / "p.yaml").write_text("{query: [[1, 2]], key: [[3, 5]], value: [[7]], mask: m.csv}")
    (tmp_path / "m.csv").write_text("0.5\n")
    (tmp_path / "hand.csv").write_text("1,2\n")
    for name, value in (("q", [[1.0, 2.0]]), ("k", [[3.0, 5.0]]), ("v", [[7.0]])):
        np.save(tmp_path / f"{name}.npy", value)
    np.savez(tmp_path / "p.npz", q=[[1.0, 2.0]], k=[[3.0, 5.0]], v=[[7.0]])
    (tmp_path / "pairs.csv").write_text("le,the\nchat,cat\n")
    (tmp_path / "vectors.txt").write_text(VECTORS)
    np.save(tmp_path / "rows.npy", [[1.0, 0.0], [0.0, 1.0]])
    (tmp_path / "words.txt").write_text("le\nchat\n")
    (tmp_path / "next.yaml").write_text(NOT_LIKE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


STORED = ("compute", "--query", "q.npy", "--key", "k.npy", "--value", "v.npy", "--only", "output")
JSON = ("-f", "json")
READ = {  # what is read: the command line that reads it
    "p.yaml": ("compute", "p.yaml", *JSON),
    "m.csv": ("compute", "p.yaml", "--only", "weights"),
    "hand.csv": ("compute", "p.yaml", "--check", "q=hand.csv", "--only", "q"),
    "q.npy": STORED,
    "k.npy": STORED,
    "v.npy": STORED,
    "p.npz": ("compute", "p.npz"),
    "pairs.csv": ("translate", "-d", "pairs.csv", "chat", *JSON),
    "vectors.txt": ("translate", "-d", "pairs.csv", "--embeddings", "vectors.txt", "chat"),
    "rows.npy": (
        "translate", "-d", "pairs.csv", "--embeddings", "rows.npy", "--words", "words.txt", "chat",
        "--only", "q",
    ),
    "words.txt": (
        "translate", "-d", "pairs.csv", "--embeddings", "rows.npy", "--words", "words.txt", "chat",
    ),
    "next.yaml": ("next", "next.yaml", "not", "like", *JSON),
}  # fmt: skip
OTHERS = {  # more that read one of these
    "graph": ("p.yaml", ("graph", "p.yaml", *JSON)),
    "statistics": ("p.yaml", ("stats", "p.yaml", *JSON)),
    "gradients": ("next.yaml", ("train", "next.yaml", "--show-gradients", *JSON)),
    "compare": ("next.yaml", ("next", "next.yaml", "--compare", "not like", "-f", "table")),
    "set": ("m.csv", ("compute", *STORED[1:7], "--set", "mask=m.csv", "--only", "weights")),
    "member": ("p.npz", ("compute", *STORED[1:5], "--value", "p.npz#v")),
}
EVERY = {name: (name, line) for name, line in READ.items()} | OTHERS


@pytest.mark.parametrize("case", EVERY)
def test_a_file_that_is_read_is_not_replaced(case: str, folder: Path, attn: Attn) -> None:
    name, line = EVERY[case]
    before = (folder / name).read_bytes()
    for target in (name, f"../{folder.name}/{name}"):
        ran = attn(*line, "-o", target)
        assert ran.status == 2
        told = ran.out if "json" in line else ran.err
        assert f"-o {target} would replace a file that is read: {name}" in told
        assert "--force" in told
    assert (folder / name).read_bytes() == before
    (folder / "new").write_text("old")  # an existing file that is not read
    form = () if "-f" in line else ("-f", Path(name).suffix[1:].replace("txt", "table"))
    assert attn(*line, "-o", "new", *form).status == 0
    assert attn(*line, "-o", name, "--force").status == 0
    assert (folder / name).read_bytes() == (folder / "new").read_bytes()


@pytest.mark.parametrize("kind", ["symbolic", "hard", "chain"])
def test_nor_under_another_name(kind: str, folder: Path, attn: Attn) -> None:
    if kind == "hard":
        (folder / "out.npy").hardlink_to("v.npy")
    else:
        (folder / "link.npy").symlink_to("v.npy")
        (folder / "out.npy").symlink_to("link.npy" if kind == "chain" else "v.npy")
    before = (folder / "v.npy").read_bytes()
    ran = attn(*STORED, "-o", "out.npy")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "error: -o out.npy would replace a file that is read: v.npy\n  --> --value v.npy\n" + HELP
    )
    assert (folder / "v.npy").read_bytes() == before


@pytest.mark.parametrize("target", ["missing/../v.npy", "to_missing.npy", "missing/../new.npy"])
def test_nor_through_a_folder_that_is_missing(target: str, folder: Path, attn: Attn) -> None:
    (folder / "to_missing.npy").symlink_to("missing/../v.npy")
    before = (folder / "v.npy").read_bytes()
    for force in ((), ("--force",)):
        ran = attn(*STORED, "-o", target, *force)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith(f"error: {target} cannot be written: No such file or directory\n")
    assert (folder / "v.npy").read_bytes() == before
    assert not (folder / "new.npy").exists()


BEFOREHAND = {  # what is known to be no place before anything is computed, and what is said of it
    "folder": "folder cannot be written: it is a folder",
    "missing/x.yaml": "missing/x.yaml cannot be written: No such file or directory",
    "p.yaml/x.yaml": "p.yaml/x.yaml cannot be written: No such file or directory",
    "": "-o names no file",
    "closed/x.yaml": "closed/x.yaml cannot be written: Permission denied",
}


@pytest.mark.parametrize("target", BEFOREHAND)
@pytest.mark.parametrize(
    ("line", "computes"),
    [
        (("compute", "p.yaml", "-f", "table"), "engine.run.run"),
        (("graph", "p.yaml", "-f", "dot"), "engine.run.run"),
        (("next", "next.yaml", "not", "like", "-f", "csv", "--only", "logits"), "engine.run.run"),
        (("train", "next.yaml"), "train.learning.train"),
    ],
)
def test_what_cannot_be_written_is_not_computed(
    line: tuple[str, ...],
    computes: str,
    target: str,
    folder: Path,
    attn: Attn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def computed(*_: object, **__: object) -> None:
        raise AssertionError("computed in vain")

    (folder / "folder").mkdir()
    (folder / "closed").mkdir()
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: "closed" not in path and allowed(path, mode)
    )
    monkeypatch.setattr(f"attn_cli.{computes}", computed)
    ran = attn(*line, "-o", target)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {BEFOREHAND[target]}\nhelp: ")


def test_a_link_to_nothing_makes_what_it_names(folder: Path, attn: Attn) -> None:
    (folder / "link.npy").symlink_to("made.npy")
    assert attn(*STORED, "-o", "link.npy").status == 0
    assert (folder / "link.npy").is_symlink()
    assert (folder / "made.npy").is_file()


def test_nor_through_a_link_that_is_read(folder: Path, attn: Attn) -> None:
    (folder / "link.yaml").symlink_to("p.yaml")
    assert attn("compute", "link.yaml", "-o", "p.yaml", *JSON).status == 2


def test_standard_input_that_is_a_file(folder: Path) -> None:
    def run(*more: str) -> subprocess.CompletedProcess[bytes]:
        with open("p.yaml", "rb") as stdin:
            asked = ("compute", "-", "--only", "q", "-f", "csv", "-o", "p.yaml", *more)
            with started(
                [*ATTN, *asked],
                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
            ) as process:  # fmt: skip
                out, err = process.communicate()
                return subprocess.CompletedProcess(asked, process.returncode, out, err)

    ran = run()
    assert ran.returncode == 2
    assert ran.stderr == (
        b"error: -o p.yaml would replace a file that is read: standard input\n" + HELP.encode()
    )
    assert run("--force").returncode == 0
    assert (folder / "p.yaml").read_text() == "1.0,2.0\n"


class TestTraining:
    """`train FILE -o FILE` is what it is for; all else is as everywhere."""

    LINE = ("train", "next.yaml", "--steps", "1")

    def test_a_file_may_be_trained_in_its_place(self, folder: Path, attn: Attn) -> None:
        (folder / "link.yaml").symlink_to("next.yaml")
        for target in ("next.yaml", "./next.yaml", "link.yaml"):
            (folder / "next.yaml").write_text(NOT_LIKE)
            assert attn(*self.LINE, "-o", target).status == 0
            assert (folder / "next.yaml").read_text() != NOT_LIKE

    def test_its_other_files_may_not_be_replaced(self, folder: Path, attn: Attn) -> None:
        text = f"{NOT_LIKE}mask: m.csv\n"
        (folder / "m.csv").write_text("0.5,0.25\n0.5,0.25\n")
        (folder / "next.yaml").write_text(text)
        (folder / "m.yaml").hardlink_to("m.csv")
        ran = attn(*self.LINE, "-o", "m.yaml")
        assert ran.status == 2
        assert "-o m.yaml would replace a file that is read: m.csv" in ran.err
        assert (folder / "m.csv").read_text() == "0.5,0.25\n0.5,0.25\n"
        assert attn(*self.LINE, "-o", "m.yaml", "--force").status == 0


ENDLESS = {
    "problem": ("compute", "/dev/zero"),
    "link": ("compute", "link.yaml"),
    "matrix": ("compute", "--query", "/dev/zero", "--key", "k.npy", "--value", "v.npy"),
    "key": ("compute", "p.yaml", "--set", "mask=/dev/zero"),
    "check": ("compute", "p.yaml", "--check", "q=/dev/zero"),
    "graph": ("graph", "/dev/zero"),
    "dictionary": ("translate", "-d", "/dev/zero", "chat"),
    "next": ("next", "/dev/zero"),
    "train": ("train", "/dev/zero", "-o", "out.yaml"),
}


class TestLimit:
    """Files that are not regular have a limit: `--memory`, or half of the machine's."""

    @pytest.mark.parametrize("case", ENDLESS)
    def test_a_device_has_no_end(
        self, case: str, folder: Path, attn: Attn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "link.yaml").symlink_to("/dev/zero")
        monkeypatch.setenv("ATTN_MEMORY", "3MiB")
        ran = attn(*ENDLESS[case])
        assert (ran.status, ran.out) == (2, "")
        name = "link.yaml" if case == "link" else "/dev/zero"
        assert ran.err.startswith(
            f"error: {name} has more than 3.0 MiB, and is not a file of known size\n"
        )
        assert "--memory SIZE" in ran.err

    @pytest.mark.parametrize("given", ["--memory", "ATTN_MEMORY"])
    def test_a_pipe_has_the_limit_that_is_given(
        self, given: str, attn: Attn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = "{query: [[1]], key: [[1]], value: [[1]]}".ljust(10007)
        option: tuple[str, ...] = ("--memory", "10007B")
        if given == "ATTN_MEMORY":
            option = ()
            monkeypatch.setenv("ATTN_MEMORY", "10007B")
        assert attn("compute", "-", *option, "-f", "csv", "--only", "q", stdin=text).status == 0
        ran = attn("compute", "-", *option, stdin=text + " ")
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith(
            "error: standard input has more than 9.8 KiB, and is not a file of known size"
        )

    def test_an_endless_pipe_ends(self) -> None:
        endless = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
        try:
            with started(
                [*ATTN, "compute", "-", "--memory", "5MB"],
                stdin=endless.stdout, stderr=subprocess.PIPE,
            ) as process:  # fmt: skip
                err = process.stderr.read()
        finally:
            endless.kill()
            endless.communicate()
        assert process.returncode == 2
        assert err.startswith(b"error: standard input has more than 4.8 MiB")

    def test_half_of_the_machine_where_nothing_is_said(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "half_of_the_machine", lambda: 1 << 21)
        with pytest.raises(AttnError, match=r"has more than 2\.0 MiB"):
            Inputs().open("/dev/zero", "the problem")

    def test_a_regular_file_has_none(self, folder: Path) -> None:
        (folder / "large").write_bytes(b" " * 4099)
        with Inputs(limit=1).open("large", "the problem") as stream:
            assert len(stream.read()) == 4099

    def test_what_is_short_comes_whole(self, folder: Path) -> None:
        os.mkfifo("pipe")
        writer = subprocess.Popen(["sh", "-c", "printf abc > pipe"])
        stream = Inputs(limit=3).open("pipe", "the problem")
        assert isinstance(stream, io.BytesIO)
        assert (stream.read(), writer.wait(60)) == (b"abc", 0)


def test_paths_of_an_option_are_not_relative_to_the_file() -> None:
    document = Document({}, folder="there", options={("score", "W"): "--weight"})
    beside = os.path.join("there", "w.npy")
    assert document.beside("w.npy", ("score", "W")) == "w.npy"
    assert document.beside("w.npy", ("score", "W", "file")) == "w.npy"
    assert document.beside("w.npy", ("score",)) == document.beside("w.npy", ("W",)) == beside


def test_the_owner_of_a_product_is_that_of_its_last_factor() -> None:
    shapes = Shapes()
    shapes.fix("heads", 2, "heads")
    shapes.fix("d_k", 3, "weights.key")
    assert shapes.owner("heads d_k") == "weights.key"
    assert shapes.size("heads d_k") == 6

"""Every error message, whole. The cases are in `tests/errors/*.txt`: file, command, message.

`| ` is a line of bad.yaml, `$ ` the command, `> ` a line of standard error.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import zipfile
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Attn
from tests.helpers.many import check_each

pytestmark = pytest.mark.slow

CASES = Path(__file__).parent


@dataclass
class Case:
    file: str
    name: str
    problem: list[str] = field(default_factory=list)
    command: str = ""
    message: list[str] = field(default_factory=list)


def cases() -> list[Case]:
    found = []
    for path in sorted(CASES.glob("*.txt")):
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            lines = block.strip("\n").split("\n")
            case = Case(path.stem, f"{path.stem}: {lines[0].removeprefix('# ')}")
            for line in lines[1:]:
                kind, text = line[:1], line[2:]
                if kind == "|":
                    case.problem.append(text.replace("^A", "\x01").replace("^T", "\t"))
                elif kind == "$":
                    case.command = text
                else:
                    assert kind == ">", line
                    case.message.append(text)
            found.append(case)
    return found


@pytest.fixture
def folder(wrong_files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file for each way of being wrong; no command may leave anything there."""
    monkeypatch.chdir(wrong_files)
    return wrong_files


@pytest.fixture(scope="session")
def wrong_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, written once."""
    path = tmp_path_factory.mktemp("wrong")
    with contextlib.chdir(path):
        write_wrong_files()
    return path


def says_it_unpacks(packed: int, size: int) -> bytes:
    """An archive whose directory has these sizes of its array, which has two numbers."""
    out = io.BytesIO()
    np.savez_compressed(out, a=np.zeros(2))
    data = out.getvalue()
    at = data.index(b"PK\x01\x02") + 20
    return data[:at] + packed.to_bytes(4, "little") + size.to_bytes(4, "little") + data[at + 8 :]


def write_wrong_files() -> None:
    Path("folder").mkdir()
    ok = np.arange(6.0).reshape(3, 2)
    np.save("ok.npy", ok)
    data = Path("ok.npy").read_bytes()
    Path("short.npy").write_bytes(data[:-8])
    Path("header.npy").write_bytes(data[:20])
    Path("lie.npy").write_bytes(data.replace(b"(3, 2), }", b"(-3, 2),}"))
    Path("text.npy").write_text("hello")
    Path("nothing.npy").write_bytes(b"")
    np.save("object.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save("record.npy", np.zeros(3, dtype=[("x", float), ("y", int)]))
    np.save("complex.npy", ok + 1j)
    Path("one.tsv").write_text("le\nla\n")
    Path("gap.csv").write_text("le,the\nla,\n")
    Path("quote.csv").write_text('le,the\nla,"the\nchat,cat\n')
    pairs = [f"w{at},t{at}" for at in range(10_000)]
    pairs[7653] = "w7653 t7653"
    Path("long.csv").write_text("\n".join(pairs) + "\n")
    Path("twice.csv").write_text("le,the\nle,that\n")
    np.save("words.npy", np.array([["a", "b"]]))
    np.save("word.npy", np.array("abc"))
    np.savez("word.npz", output=np.array(["a", "b"]), weights=np.array("abc"))
    np.save("dates.npy", np.array([["2026-11-22"]], dtype="datetime64[D]"))
    np.save("scalar.npy", np.array(1.0))
    np.save("vector.npy", np.array([1.0, 2.0]))
    np.save("five.npy", np.ones((1, 1, 1, 3, 2)))
    np.save("zero.npy", np.ones((0, 2)))
    np.save("nan.npy", np.where(ok == 3, np.nan, ok))
    np.savez("two.npz", value=ok, other=ok)
    np.savez("other.npz", querry=ok)
    np.savez("twice.npz", q=ok, query=ok)
    np.savez("batch.npz", q=np.ones((2, 3, 5)), k=np.ones((2, 7, 5)), v=np.ones((2, 7, 11)))
    Path("bomb.npz").write_bytes(says_it_unpacks(100, 160_000_128))
    Path("cut.npz").write_bytes(Path("two.npz").read_bytes()[:200])
    Path("words.csv").write_text("1,2\n3, x\n5,6\n")
    Path("labels.tsv").write_text("\ta\tb\nr\t1\t2\ns\t3\tx\n")
    Path("ragged.csv").write_text("1,2\n3\n")
    Path("nothing.csv").write_text("\n")
    Path("two.txt").write_text("[CLS]\ncat\n")
    Path("gap.txt").write_text("the\n\ncat\n")
    Path("empty.txt").write_text("\n")
    Path("numbers.json").write_text("[1, 2, 3]")
    Path("three.json").write_text('[["a", "b", "c"], ["d", "e", "f"], ["g", "h", "i"]]')
    tensors = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    Path("m.safetensors").write_bytes(len(tensors).to_bytes(8, "little") + tensors + bytes(4))
    with zipfile.ZipFile("m.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    Path("old.pt").write_bytes(b"\x80\x02}q\x00.")
    Path("w.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(8))
    with zipfile.ZipFile("other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    np.save("bfloat16.npy", np.zeros((3, 2), dtype="V2"))
    step = {"axes": ["query", "key"], "values": [[1, 2], [3]]}
    Path("ragged.json").write_text(json.dumps(
        {"format": "attn/1", "command": "compute", "steps": {"weights": step, "q": step}}
    ))  # fmt: skip
    Path("later.json").write_text('{"format": "attn/2", "command": "compute"}')
    Path("listed.json").write_text('{"format": "attn/1", "command": "steps", "steps": {"q": {}}}')
    Path("both.json").write_text('{"format": "attn/1"}\n{"format": "attn/1"}\n')
    Path("half.json").write_text('{"format": "attn/1",\n  "steps"')
    np.savez("steps.npz", q=ok, scores=ok)
    np.savez("steps.there.npz", q=ok)
    Path("model").mkdir()
    Path("model/config.json").write_text("{}")
    np.savez("nan.npz", output=np.full((3, 2), np.nan))
    np.savez("wide.npz", output=np.ones((3, 5)), gamma=ok)
    Path("tensors").mkdir()
    Path("tensors/dump.safetensors").write_bytes(b"")
    np.save("bhsd.npy", np.ones((2, 3, 5, 7)))
    np.save("exchanged.npy", np.ones((2, 5, 3, 7)))
    np.save("turned.npy", ok.T)
    Path("semicolons.csv").write_text("1,5;2\n3;4,5\n")
    Path("half.csv").write_text("1/2,0\n0,1\n")
    Path("latin.yaml").write_bytes(b"scale: 1\ntokens: [caf\xe9]\n")
    Path("ok.yaml").write_text(
        "tokens: [the, love, the]\nembeddings: [[1, 0], [0, 1], [1, 1]]\nscore: dot\n"
    )


ALL = {case.name: case for case in cases()}


@pytest.mark.parametrize("file", sorted({case.file for case in ALL.values()}))
def test_messages(file: str, folder: Path, attn: Attn) -> None:
    write(folder / "bad.yaml", "")
    before = names_in(folder)
    names = [name for name in ALL if ALL[name].file == file]
    check_each(names, lambda name: has_its_message(ALL[name], folder, attn))
    assert names_in(folder) == before


def write(path: Path, text: str) -> None:
    """Write a file, unless it has the text; as a new file: emptying one waits for the disk."""
    if path.exists():
        if path.read_text() == text:
            return
        path.unlink()
    path.write_text(text)


def names_in(folder: Path) -> set[str]:
    return {os.path.join(at, name) for at, *inner in os.walk(folder) for name in chain(*inner)}


def has_its_message(case: Case, folder: Path, attn: Attn) -> None:
    write(folder / "bad.yaml", "".join(f"{line}\n" for line in case.problem))
    arguments = shlex.split(case.command)[1:]
    ran = attn(*arguments)
    assert ran.err == "".join(f"{line}\n" for line in case.message)
    assert (ran.status, ran.out) == (2, "")

    viewed = {"--format", "-o", "--full", "--labels", "--digits"} & set(arguments)
    if viewed or arguments[0] != "compute":
        return  # another format would be another complaint
    if list(ALL).index(case.name) % 5:
        return  # one document is made as the other: of a fifth it is enough
    as_json = attn(*arguments, "--format", "json")
    document = json.loads(as_json.out)
    assert (as_json.status, as_json.err) == (2, "")
    assert list(document) == ["format", "command", "error"]
    assert document["command"] == arguments[0]
    assert set(document["error"]) == {"message", "file", "line", "column", "path", "help"}
    assert f"error: {document['error']['message']}" == case.message[0]


def test_every_case_has_a_name_of_its_own() -> None:
    assert len(ALL) == len(cases()) > 100


def test_a_file_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attn: Attn
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "p.yaml"
    path.write_text("scale: 1\n")
    monkeypatch.setattr("builtins.open", refuse)
    ran = attn("compute", path)
    assert ran.err == (
        f"error: {path} cannot be opened\nhelp: you may not read it: check its permissions\n"
    )

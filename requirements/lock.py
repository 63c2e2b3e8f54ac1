"""Write `test.txt` and `dev.txt`: exact versions of what the tests and the other checks install.

Called with versions of Python, such as `3.11 3.12`: for each, the newest that `pyproject.toml`
allows is installed into a new virtual environment, and what is installed there is written. The
files hold names and versions alone, so that every index will do.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("test", "dev")  # each holds what the one before it does not

Versions = dict[str, str]  # of the packages of one environment


def interpreter(python: str) -> str:
    """Return the program that is this version of Python."""
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == python:
        return sys.executable
    found = shutil.which(f"python{python}")
    if found is None:
        sys.exit(f"lock: python{python} is not on the path, and its versions are wanted")
    return found


def installed(python: str, wanted: list[str], folder: Path) -> Versions:
    """Return what an environment of this Python holds once all that is wanted is installed."""
    subprocess.run([interpreter(python), "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", *wanted], check=True)
    listed = subprocess.run(
        [*pip, "list", "--format", "freeze", "--exclude-editable"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    versions = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    return {
        name: version for name, version in versions.items() if name not in {"pip", "setuptools"}
    }


def locked(python: str) -> dict[str, Versions]:
    """Return file -> versions for one Python; `test` has the versions that `dev` has."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    # editables is what hatchling asks for where a package is installed as it lies there.
    builds = [*project["build-system"]["requires"], "editables"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = str(HERE.parent)
        everything = installed(python, [*builds, "--editable", f"{source}[dev]"], folder / "dev")
        held = folder / "held.txt"
        held.write_text("".join(f"{name}=={version}\n" for name, version in everything.items()))
        tests = [*builds, "--constraint", str(held), "--editable", f"{source}[test]"]
        needed = installed(python, tests, folder / "test")
    rest = {name: version for name, version in everything.items() if name not in needed}
    return {"test": needed, "dev": rest}


def lines(of: dict[str, Versions]) -> list[str]:
    """Return the lines of a file, from Python -> versions; a marker where not all are the same."""
    found = []
    for name in sorted({name for versions in of.values() for name in versions}, key=str.lower):
        pythons: dict[str, list[str]] = {}
        for python, versions in of.items():
            if name in versions:
                pythons.setdefault(versions[name], []).append(python)
        for version, where in pythons.items():
            marker = " or ".join(f'python_version == "{python}"' for python in where)
            found.append(f"{name}=={version}" + (f" ; {marker}" if len(where) < len(of) else ""))
    return found


def main(pythons: list[str]) -> None:
    """Write both files."""
    of = {python: locked(python) for python in pythons}
    for file in FILES:
        written = lines({python: files[file] for python, files in of.items()})
        head = [f"# Written by `make lock`, for Python {', '.join(pythons)}."]
        head += ["-r test.txt"] if file == "dev" else []
        (HERE / f"{file}.txt").write_text("\n".join([*head, *written, ""]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

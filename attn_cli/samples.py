"""The sample problems: next to the package in a checkout, inside it if it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attn_cli.errors import AttnError, did_you_mean

if TYPE_CHECKING:
    from attn_cli.lists import Sample


def folder() -> Path:
    """Return the folder of the samples."""
    here = Path(__file__).parent
    inside = here / "samples"
    return inside if inside.is_dir() else here.parent / "samples"


def names() -> list[str]:
    """Return the names of the samples, in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def text(name: str) -> str:
    """Return a sample; raise AttnError, naming the nearest, if there is none of that name."""
    stem = name.removesuffix(".yaml")
    if stem not in names():
        raise AttnError(
            f"there is no sample '{name}'", help=did_you_mean(stem, names(), what="there are")
        )
    return (folder() / f"{stem}.yaml").read_text(encoding="utf-8")


def sample(name: str) -> Sample:
    """Return a sample with its summary, its first line; raise AttnError if there is none."""
    from attn_cli.lists import Sample

    content = text(name)
    return Sample(name.removesuffix(".yaml"), content.partition("\n")[0].lstrip("# "), content)


def files() -> list[Path]:
    """Return all files of the samples, arrays included."""
    return sorted(path for path in folder().iterdir() if path.is_file())


def dictionary() -> str:
    """Return the path of the default dictionary: French to English."""
    return str(folder() / "french_english.yaml")

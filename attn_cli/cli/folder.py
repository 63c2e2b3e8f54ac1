"""A folder of files that is written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress

from attn_cli.cli.signals import undone_by_signals
from attn_cli.errors import AttnError, printable


def check_folder(folder: str, marker: str, *, force: bool) -> None:
    """Raise AttnError if the folder cannot be written.

    One that exists must be empty, or with `force` have the file `marker`, and is replaced.
    """
    name = printable(folder)
    if not folder:
        raise AttnError("--write names no folder", help="write --write FOLDER")
    above = os.path.dirname(os.path.abspath(folder))
    if not os.path.isdir(above) or not os.access(above, os.W_OK):
        raise AttnError(
            f"{name} cannot be made", help="name a folder in one that exists and that you may write"
        )
    if not os.path.lexists(folder):
        return
    if os.path.islink(folder) or not os.path.isdir(folder):
        raise AttnError(f"{name} is not a folder", help="name a new folder")
    if os.listdir(folder) and not os.path.isfile(os.path.join(folder, marker)):
        raise AttnError(f"{name} holds other files", help="name a new folder")
    if os.listdir(folder) and not force:
        raise AttnError(
            f"{name} would be replaced", help="name a new folder, or add --force to replace it"
        )


def write_folder(folder: str, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files by their place below a folder, which appears when all are there.

    A folder of that name is replaced. Raises AttnError for a failure to write.
    """
    target = os.path.abspath(folder)
    random = os.urandom(8).hex()
    made, old = (
        os.path.join(os.path.dirname(target), f".attn-{part}-{random}") for part in ("new", "old")
    )

    def undo() -> None:
        if os.path.isdir(old) and not os.path.lexists(target):
            os.rename(old, target)
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)

    with undone_by_signals(undo):
        try:
            os.mkdir(made)
            for place, data in files:
                path = os.path.join(made, *place.split("/"))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(data)
            with suppress(FileNotFoundError):
                os.rename(target, old)
            os.rename(made, target)
        except OSError as error:
            raise AttnError(f"{printable(folder)} cannot be written: {error.strerror}") from None
        finally:
            undo()

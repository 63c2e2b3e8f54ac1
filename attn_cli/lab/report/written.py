"""What the user wrote, for reproducing a result: the text of the file, and the options."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from attn_cli.dataclass import dataclass

if TYPE_CHECKING:
    from attn_cli.sources.matrices.document import Document


@dataclass(frozen=True)
class Written:
    """A problem as it was written.

    `name` is that of the file, without its folder; empty if there is none. `text` is None for an
    archive of arrays, and for a text that is too long. `options` replaced keys of the file.
    """

    name: str
    text: str | None
    size: int  # bytes of the text
    options: tuple[str, ...] = ()


def written(document: Document) -> Written:
    """Return what the user wrote of a problem. Files that it names stay names."""
    text = document.text if document.written is None else document.written
    return Written(
        name=os.path.basename(document.name or ""),
        text=text,
        size=len((text or "").encode()),
        options=tuple(dict.fromkeys(document.options.values())),
    )

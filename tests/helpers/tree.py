"""Pages as trees: well-formed, and without a request to anywhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br"}


class Tree(HTMLParser):
    """Fails if a tag is not closed; keeps texts, attributes and the cells of tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))


def policy_of(tree: Tree, page: str) -> str:
    """Return the content security policy of a page, which asks for nothing from anywhere."""
    policy = next(a["content"] for _, a in tree.tags if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for _, attributes in tree.tags:
        for attribute, value in attributes.items():
            assert not attribute.startswith("on")
            if attribute in {"href", "src"}:
                assert (value or "").startswith(("#", "data:"))
    assert not re.search(r"url\((?!#)|@import", page)
    return policy

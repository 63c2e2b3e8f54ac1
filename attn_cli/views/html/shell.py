"""The document around what a page shows: its policy, title, style and script.

The policy in the head forbids every request, and names the hash of the one script, if there is one.
"""

from __future__ import annotations

from attn_cli.errors import AttnError, argument
from attn_cli.views.html import assets
from attn_cli.views.html.markup import element, text


def whole(title: str, sheet: str, body: list[str], script: str = "", *, limit: int = 0) -> str:
    """Return the page; AttnError if it has more than `limit` bytes, of which 0 is any number."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    if script:
        policy += f"; script-src '{assets.digest(script)}'"
        body = [*body, element("script", script)]
    page = (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv=Content-Security-Policy content="{policy}">'
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title>"
        f"<style>\n{sheet}\n</style></head>\n<body>\n"
        + "\n".join(filter(None, body))
        + "\n</body></html>\n"
    )
    size = len(page.encode())
    if limit and size > limit:
        raise AttnError(
            f"the page has {size} bytes, and {limit} are allowed",
            help=f"allow more: {argument('max-size', f'{-(-size // 1000)}kB')}",
        )
    return page

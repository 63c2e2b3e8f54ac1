"""Tokens that could act on what shows them, and must be shown as text in every view."""

from __future__ import annotations

HOSTILE = (
    "</text><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&amp; & ' \"",
    "]]>",
    "--><!--",
    "\x00\x1b[31m\x1f\x7f",
    "a\nb\tc\r",
    "\u202eabc\u2066",
    "\u2028\u2029",
    "\ufffe\uffff",
    "שלום (a)",
    "日本語",
    "👨‍👩‍👧",
    "e\u0301" + "\u0335" * 99,
    "x" * 300,
    " the",
    r"\textbf{$&%#_^~}",
)

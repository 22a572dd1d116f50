"""Writes text between tags of a prompt. As `xml.sax.saxutils` does, which brings an HTTP client along."""

from __future__ import annotations

_IN_TEXT = (("&", "&amp;"), (">", "&gt;"), ("<", "&lt;"))
_IN_ATTRIBUTES = (*_IN_TEXT, ("\n", "&#10;"), ("\r", "&#13;"), ("\t", "&#9;"))


def escape(text: str) -> str:
    """Escape `text` so that it opens and closes no tag."""
    return _replaced(text, _IN_TEXT)


def quoteattr(text: str) -> str:
    """Quote `text` as the value of an attribute."""
    text = _replaced(text, _IN_ATTRIBUTES)
    if '"' not in text:
        return f'"{text}"'
    if "'" not in text:
        return f"'{text}'"
    return '"{}"'.format(text.replace('"', "&quot;"))


def _replaced(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for character, written in pairs:
        text = text.replace(character, written)
    return text

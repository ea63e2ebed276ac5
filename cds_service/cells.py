"""Text from a record as a cell of a spreadsheet (OWASP, CSV Injection). Pure."""

from typing import Final

_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - full-width signs count in some locales


def harmless(text: str) -> str:
    """The text as a cell that no spreadsheet evaluates: where it could, an apostrophe before it."""
    return f"'{text}" if text[:1] in _FORMULA or text.strip()[:1] in _FORMULA else text

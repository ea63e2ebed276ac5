"""Text from a record as a cell of a spreadsheet (OWASP, CSV Injection). Pure."""

import re
from typing import Final

_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - full-width signs count in some locales
_ANOTHER_CELL: Final = re.compile(r"""(;["'\s]*)(?=[=+\-@＝＋－＠])""")  # noqa: RUF001


def harmless(text: str) -> str:
    """The text as a cell that no spreadsheet evaluates: where it could, an apostrophe before it; and
    before what follows a semicolon, at which spreadsheets of some countries begin another cell."""
    cells = _ANOTHER_CELL.sub(r"\1'", text)
    return f"'{cells}" if text[:1] in _FORMULA or text.strip()[:1] in _FORMULA else cells

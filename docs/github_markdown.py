"""Pages are written for the code host; the site's Markdown wants what is added here: blank lines
before lists, tables and fences, and four blanks before what belongs to a list's item."""

import re
from collections.abc import Iterator

_QUOTED = re.compile(r"^(?:> ?)*")
_LIST = re.compile(r"(?:[-*]|\d+\.) ")
_FENCE = re.compile(r"\s*(?:```|~~~)")


def for_the_site(markdown: str) -> str:
    """The same page, as the site's Markdown reads it."""
    return "\n".join(_spaced(markdown.split("\n")))


def _spaced(lines: list[str]) -> Iterator[str]:
    before, fenced, listed, loose = "", False, False, False
    for line in lines:
        quote = _QUOTED.match(line)[0]  # type: ignore[index]
        text = line[len(quote) :]
        if not fenced:
            listed = _in_list(text, listed)
            loose = listed and (loose or not text.strip())
            if before.strip() and (
                _starts_block(text, before, listed) or _next(text, before, loose)
            ):
                yield quote.rstrip()
        fenced ^= bool(_FENCE.match(text))
        yield quote + _indented(text, listed)
        before = text


def _in_list(text: str, listed: bool) -> bool:
    if _LIST.match(text.lstrip()):
        return True
    return listed and (not text.strip() or text.startswith("  "))


def _next(text: str, before: str, loose: bool) -> bool:
    """Whether an item follows at once what belongs to the one before, after blank lines in it."""
    return loose and before.startswith(" ") and bool(_LIST.match(text))


def _starts_block(text: str, before: str, listed: bool) -> bool:
    """Whether a list, table or fence follows a paragraph at once."""
    if _LIST.match(text):
        return not _LIST.match(before) and not before.startswith((" ", "|"))
    if _FENCE.match(text):
        return True
    return text.startswith("|") and not before.startswith("|") and not listed


def _indented(text: str, listed: bool) -> str:
    """Two or three blanks, which end a list elsewhere, become four."""
    found = re.match(r" {2,3}(?=\S)", text)
    if not listed or not found:
        return text
    return "    " + text[found.end() :]

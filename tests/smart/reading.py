"""A page as a person reads it: its text, line by line, and its cells by caption."""

from html.parser import HTMLParser

_BLOCKS = (
    "h1 h2 h3 p li ul section nav form label button option caption tr table header main summary pre"
)
_BREAKS = frozenset((*_BLOCKS.split(), "desc", "title", "text"))
_CELLS = frozenset(("td", "th"))
_UNSEEN = frozenset(("style", "script"))


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self.hidden += 1
        self.parts.append("\n" if tag in _BREAKS else " | " if tag in _CELLS else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self.hidden -= 1
        self.parts.append("\n" if tag in _BREAKS else "")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(
                " ".join(data.split()).join((" " * data[:1].isspace(), " " * data[-1:].isspace()))
            )


def text_of(html: str) -> str:
    """The words of a page, one block a line."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    lines = (
        " ".join(line.split()).removeprefix("| ") for line in "".join(parser.parts).split("\n")
    )
    return "\n".join(line for line in lines if line)


class _Structure(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags_of(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every element with its attributes, in order."""
    parser = _Structure()
    parser.feed(html)
    parser.close()
    return parser.tags

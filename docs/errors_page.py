"""The body of the errors' reference page: every answer that is not a 200, over HTTP and as a page."""

from cds_service.errors import STATUS
from cds_service.smart.problems import PROBLEMS
from docs.trust_pages import Rows

ABOUT = """\
A program gets an OperationOutcome (FHIR R4, `application/fhir+json`) with one issue: its `code` is in the table,
its `diagnostics` say where the request is wrong, what is wrong and what to do, and repeat nothing of it. A person
gets a page. An error is never an empty list of cards: that would read as "no risk".
"""
ELSEWHERE = """\
Why a client is refused is in the log alone: [client authentication](client-authentication.md), and for the read
API [its page](read-api.md). What is wrong with single resources is no error: it is counted as a
[data issue](issues.md), and the card says what was not read. Why a stay is not scored is on the card.
What is wrong with a bundle is in [the bundle's format](bundle.md#what-is-refused-and-how-it-says-so).

## Pages

[The SMART app](smart.md#pages-that-say-why-not) has what to do about each.
"""
_UNFORESEEN: Rows = [
    ("404", "`not-found`", "", "Nothing here answers that path."),
    ("405", "`not-supported`", "", "The path is there, with another method."),
    (
        "500",
        "`exception`",
        "",
        "An error of ours. The body has a number, the log line with it the place; neither has more.",
    ),
]


def answers() -> Rows:
    """Status, code of the issue, name in the code, meaning; by status."""
    known = [
        (str(status), f"`{code}`", f"`{error.__name__}`", _first_sentence(error))
        for error, (status, code) in STATUS.items()
    ]
    return sorted(known + _UNFORESEEN)


def pages() -> Rows:
    """Code, status and heading of every page that says why not."""
    return [(f"`{code}`", str(words.status), words.title) for code, words in PROBLEMS.items()]


def _first_sentence(error: type[Exception]) -> str:
    return " ".join((error.__doc__ or "").split()).partition(" `reason`")[0]

"""What every page of the SMART app is sent with: nothing from elsewhere, no trace, few frames."""

from collections.abc import Iterable

_CONTENT = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors "
)
PRIVATE = {
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
"""For redirects too: their addresses hold OAuth's parameters."""


def page_headers(frame_ancestors: Iterable[str]) -> dict[str, str]:
    """`frame_ancestors`: who may show the page in a frame; none: nobody."""
    allowed = " ".join(frame_ancestors) or "'none'"
    # under no-referrer browsers send `Origin: null` with a form, and forms.py would refuse it
    return PRIVATE | {
        "referrer-policy": "strict-origin",
        "content-security-policy": _CONTENT + allowed,
    }

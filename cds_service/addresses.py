"""Addresses that may be configured: https, or plain http to this very machine. Checked, never called."""

import ipaddress
from collections.abc import Iterable
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import httpx
from pydantic.functional_validators import AfterValidator


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def listed(named: str, servers: Iterable[str]) -> str | None:
    """The server of the list that a request names, as the list writes it."""
    wanted = _normal(named)
    return next((each for each in servers if wanted and _normal(each) == wanted), None)


def _normal(url: str) -> httpx.URL | None:
    """Case of scheme and host, a default port and a final slash make no difference."""
    try:
        parsed = httpx.URL(url)
        return parsed.copy_with(path=parsed.path.rstrip("/") or "/")
    except (httpx.InvalidURL, ValueError):
        return None


def _split(address: str) -> SplitResult:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("needs https://")
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError("a plain address: no user, no fragment")
    return parts


def _resource(address: str) -> str:
    _split(address)
    return address


def _start(address: str) -> str:
    if _split(address).query:
        raise ValueError("a plain address: no query")
    return address.rstrip("/")


def _origin(address: str) -> str:
    parts = _split(address)
    if address != f"{parts.scheme}://{parts.netloc.lower()}":
        raise ValueError("an origin as browsers write it: https://host, and nothing after it")
    return address


Resource = Annotated[str, AfterValidator(_resource)]
"""The address of one thing, kept to the letter."""
Url = Annotated[str, AfterValidator(_start)]
"""Where other addresses start: no query and, once read, no final slash."""
Origin = Annotated[str, AfterValidator(_origin)]
"""What a browser names as the origin of a page."""

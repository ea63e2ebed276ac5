"""The two cookies of the SMART app, as `Set-Cookie` says them. An EHR shows the app in a frame of
another site: that takes SameSite=None and, where a browser keeps sites apart, Partitioned.

A session's cookie has the path of that session, so two patients in two tabs never share one. A
sign-in's cookie has the path that the browser comes back to, and a name of its own.
"""

from urllib.parse import urlsplit

from cds_service.storage.sessions import digest

SESSION = "__Secure-readmit"
_LAUNCH = "__Secure-readmit-l-"
_ATTRIBUTES = "Secure; HttpOnly; SameSite=None; Partitioned"


def launch_cookie_name(state: str) -> str:
    """The name of a sign-in's cookie: several may be under way in one browser."""
    return _LAUNCH + digest(state)[:16]


def launch_cookie(address: str, state: str, browser: str, *, seconds: int) -> str:
    """The cookie by which a browser that comes back is known; `seconds` 0 takes it away.
    `address`: of the service, as browsers see it."""
    path = f"{prefix(address)}/smart/callback"
    return f"{launch_cookie_name(state)}={browser}; Path={path}; Max-Age={seconds}; {_ATTRIBUTES}"


def session_cookie(address: str, session_id: str, secret: str) -> str:
    """The cookie of a session; gone when the browser is closed."""
    return f"{SESSION}={secret}; Path={_session_path(address, session_id)}; {_ATTRIBUTES}"


def ended_cookie(address: str, session_id: str) -> str:
    """Takes the cookie of a session away."""
    return f"{SESSION}=; Path={_session_path(address, session_id)}; Max-Age=0; {_ATTRIBUTES}"


def prefix(address: str) -> str:
    """The path under which a proxy shows the service; mostly none."""
    return urlsplit(address).path.rstrip("/")


def _session_path(address: str, session_id: str) -> str:
    return f"{prefix(address)}/smart/s/{session_id}/"

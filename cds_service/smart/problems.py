"""Every way in which the SMART app cannot go on: one code each, what the page says, and its status.

The code is in the log. A page says what happened and what to do, in a user's words, and quotes nothing
that came from outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cds_service.errors import ServiceError
from cds_service.tenants import Tenant

Code = Literal[
    "launch_incomplete",
    "server_unknown",
    "server_unavailable",
    "server_unsuitable",
    "pkce_refused",
    "state_unknown",
    "cookie_missing",
    "consent_denied",
    "authorization_refused",
    "other_server",
    "code_refused",
    "client_refused",
    "token_unusable",
    "identity_unproven",
    "patient_missing",
    "not_care_manager",
    "worklist_only",
    "patient_only",
    "session_ended",
    "access_ended",
    "record_unread",
    "record_of_another",
    "form_refused",
    "view_refused",
    "not_found",
    "store_unavailable",
    "failed",
]


@dataclass(frozen=True)
class Words:
    """A page: its status and its sentences."""

    status: int
    title: str
    happened: str
    remedy: str


_FROM_CHART = "Open Readmit again from the patient's chart."
_TELL = "Tell the people who run Readmit at your organisation, with the reference below."
_AND_TELL = _TELL[0].lower() + _TELL[1:]
PROBLEMS: Mapping[Code, Words] = {
    "launch_incomplete": Words(
        400,
        "This is not a complete link",
        "Readmit was opened without saying which record system and which patient it is for.",
        f"{_FROM_CHART} A bookmark of this address does not work.",
    ),
    "server_unknown": Words(
        403,
        "This record system is not known here",
        "The system that opened Readmit is not one that this Readmit may read from. Nothing was sent"
        " to it.",
        f"Open Readmit from your organisation's own record system. If you did, {_AND_TELL} Its FHIR address belongs in `fhir_servers` of a tenant with `[tenant.smart]`.",
    ),
    "server_unavailable": Words(
        502,
        "The record system does not answer",
        "Readmit asked your record system how to sign in, or for access, and got no usable answer.",
        f"Wait a minute, then open Readmit again. If it stays so, {_AND_TELL}",
    ),
    "server_unsuitable": Words(
        502,
        "The record system cannot sign you in",
        "What your record system says about signing in lacks something that Readmit needs, or names"
        " an address without https.",
        f"{_TELL} They find what in the record system's `.well-known/smart-configuration`.",
    ),
    "pkce_refused": Words(
        502,
        "Signing in would not be safe",
        "Your record system says that it cannot protect the sign-in with PKCE and SHA-256, which"
        " Readmit insists on.",
        f"{_TELL} The record system has to offer `S256` in `code_challenge_methods_supported`.",
    ),
    "state_unknown": Words(
        400,
        "This sign-in is not valid",
        "It was used already, took longer than ten minutes, or was not begun here.",
        f"{_FROM_CHART} Reloading this page does not help.",
    ),
    "cookie_missing": Words(
        403,
        "Your browser kept back a cookie",
        "Readmit recognises your browser by a cookie, which did not come back. Browsers do that to"
        " pages inside another page.",
        "Open Readmit in its own window with the link below. If it happens there too, allow cookies"
        " for Readmit's address.",
    ),
    "consent_denied": Words(
        403,
        "Access was not allowed",
        "You, or a rule of your organisation, did not allow Readmit to read the record. It has read"
        " nothing.",
        f"If that was not what you meant, open Readmit again and allow it. Otherwise {_AND_TELL}",
    ),
    "authorization_refused": Words(
        502,
        "The record system refused to sign you in",
        "Your record system ended the sign-in with an error. Readmit has read nothing.",
        f"Open Readmit again. If it stays so, {_AND_TELL}",
    ),
    "other_server": Words(
        400,
        "The answer came from another system",
        "The sign-in was begun with one record system and answered by another. Readmit stopped.",
        f"{_FROM_CHART} If it happens again, {_AND_TELL}",
    ),
    "code_refused": Words(
        502,
        "The sign-in was not completed",
        "Your record system did not accept the end of the sign-in: it took too long, or was used"
        " twice.",
        _FROM_CHART,
    ),
    "client_refused": Words(
        502,
        "Readmit is not registered as it should be",
        "Your record system does not accept who Readmit says it is.",
        f"{_TELL} The client id, the secret or the keys differ from what is registered.",
    ),
    "token_unusable": Words(
        502,
        "The record system's answer cannot be used",
        "Your record system signed you in, but what it then sent is not what SMART describes.",
        _TELL,
    ),
    "identity_unproven": Words(
        502,
        "Who you are could not be checked",
        "What your record system says about you is missing or does not carry its valid signature."
        " Readmit stopped.",
        f"Open Readmit again. If it stays so, {_AND_TELL}",
    ),
    "patient_missing": Words(
        400,
        "No patient is open",
        "Your record system signed you in, but did not say for which patient.",
        "Open a patient's chart and start Readmit from there.",
    ),
    "not_care_manager": Words(
        403,
        "The worklist is not open to you",
        "The list of the day's discharges is for the care managers that your organisation has named.",
        "Ask the people who run Readmit to add you to `care_managers`. A single patient's page opens"
        " from the chart.",
    ),
    "worklist_only": Words(
        403,
        "This belongs to one patient's page",
        "You are signed in to the worklist, and this page is about one patient.",
        _FROM_CHART,
    ),
    "patient_only": Words(
        403,
        "The worklist needs its own sign-in",
        "You are signed in for one patient, and this is the list of all.",
        "Start the worklist on its own, not from a patient's chart.",
    ),
    "session_ended": Words(
        403,
        "Your session has ended",
        "You signed out, were away for half an hour, or signed in more than eight hours ago; or this"
        " address was opened in another browser.",
        _FROM_CHART,
    ),
    "access_ended": Words(
        403,
        "Your access has ended",
        "Your record system no longer lets Readmit read the record, so the session was closed.",
        _FROM_CHART,
    ),
    "record_unread": Words(
        502,
        "The chart could not be read",
        "Your record system did not give the patient, or the stay that was asked for, so nothing was"
        " assessed.",
        "Choose a stay, or wait a minute and try again. If it stays so, the access that was granted may"
        " be too narrow: open Readmit again from the chart.",
    ),
    "record_of_another": Words(
        502,
        "The chart holds another patient's data",
        "Your record system answered with data about somebody else, so nothing was assessed.",
        _TELL,
    ),
    "form_refused": Words(
        403,
        "This was not done",
        "What was sent did not come from a page of this session, so Readmit did not act on it.",
        "Go back, reload the page, and try again there.",
    ),
    "view_refused": Words(
        403,
        "This assessment cannot be shown",
        "It is not one of the patient whose chart you opened. That you asked was recorded.",
        f"{_FROM_CHART} Each patient's assessments are on that patient's page.",
    ),
    "not_found": Words(
        404,
        "There is nothing here",
        "Readmit has no page at this address.",
        _FROM_CHART,
    ),
    "store_unavailable": Words(
        503,
        "Readmit cannot keep records now",
        "Its database does not answer, and it shows nothing that it cannot record.",
        f"Wait a minute, then try again. If it stays so, {_AND_TELL}",
    ),
    "failed": Words(
        500,
        "Something went wrong in Readmit",
        "The cause is not known here.",
        f"Try again. If it stays so, {_AND_TELL}",
    ),
}
"""Code -> the page. docs/reference/smart.md."""


class SmartProblemError(ServiceError):
    """A page instead of the one asked for. `tenant`: whose frames may show it, where that is known;
    `link`: where its button leads, a path of ours with its label; `facts` are words of ours for the
    log; `cookies`: `Set-Cookie` lines to send along."""

    def __init__(
        self,
        code: Code,
        *,
        tenant: Tenant | None = None,
        link: tuple[str, str] | None = None,
        cookies: tuple[str, ...] = (),
        **facts: str,
    ) -> None:
        super().__init__(PROBLEMS[code].happened)
        self.code, self.tenant, self.link, self.cookies = code, tenant, link, cookies
        self.facts = facts

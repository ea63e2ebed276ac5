"""Cases of fhirServer and fhirAuthorization: what clients write there. No server is called in any of them."""

from collections.abc import Iterator

from tests.corpus.case import Case, Json, lacking, put, refused, scored
from tests.service.patients import call, without

_RULE = "https://cds-hooks.hl7.org/2.0/#passing-the-access-token-to-the-cds-service"
_SERVER = "https://ehr.example/fhir/r4"
_TOKEN: Json = {
    "access_token": "token-that-must-not-be-repeated",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.rs",
    "subject": "readmit",
}


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _usable()
    yield from _unusable()
    yield from _members()


def _with(token: object, server: object = _SERVER) -> Json:
    return put(call(), fhirServer=server, fhirAuthorization=token)


def _usable() -> Iterator[Case]:
    yield scored("token-not-needed", "All data came as prefetch: nobody is called.", _with(_TOKEN))
    yield scored(
        "server-without-token",
        "A client names its server and lends no token.",
        lacking(_with(None), "fhirAuthorization"),
    )
    yield scored(
        "token-for-this-patient",
        "Since 2.0 a token may say which patient it is for.",
        _with(_TOKEN | {"patient": "p1"}),
        source=_RULE,
    )
    yield scored(
        "optional-data-at-an-unlisted-server",
        "A server that the site does not list is not called, whatever a client lends for it.",
        put(without(call(), "observations"), fhirServer=_SERVER, fhirAuthorization=_TOKEN),
        points={"lace": 10},
        Observation="not_read",
    )
    yield refused(
        "required-data-at-an-unlisted-server",
        "The same of data without which nothing can be said.",
        put(without(call(), "patient"), fhirServer=_SERVER, fhirAuthorization=_TOKEN),
        412,
        where="prefetch.patient",
    )
    yield refused(
        "server-inside-the-network",
        "fhirServer is a client's words: an address of the service's own network must not be called.",
        put(
            without(call(), "patient"),
            fhirServer="http://169.254.169.254/latest/meta-data",
            fhirAuthorization=_TOKEN,
        ),
        412,
        where="prefetch.patient",
    )


def _unusable() -> Iterator[Case]:
    yield refused(
        "token-without-server",
        "fhirServer is required with fhirAuthorization: a token is for one server.",
        lacking(_with(_TOKEN), "fhirServer"),
        400,
        where="fhirServer",
        source=_RULE,
    )
    yield refused(
        "token-for-another-patient",
        "The token belongs to the chart that was open before.",
        _with(_TOKEN | {"patient": "another-person"}),
        412,
        where="fhirAuthorization.patient",
        source=_RULE,
    )
    yield refused(
        "server-a-list",
        "A client with several FHIR servers sends them all.",
        _with(_TOKEN, [_SERVER, _SERVER]),
        400,
        where="fhirServer",
    )
    yield refused(
        "authorization-a-string",
        "The token itself in place of the object.",
        _with("token-that-must-not-be-repeated"),
        400,
        where="fhirAuthorization",
    )


def _members() -> Iterator[Case]:
    for member, value, why in (
        ("access_token", "token with blanks in it", "A token that no header can carry."),
        ("access_token", None, "A client that could not get a token sends the object without it."),
        ("token_type", "bearer-token", "The fixed value is Bearer."),
        ("expires_in", "300", "Seconds as a string."),
        ("scope", ["patient/*.rs"], "Scopes as a list in place of text with blanks."),
        ("subject", None, "subject is the client id of the service, and required."),
    ):
        state = "null" if value is None else "wrong"
        yield refused(
            f"{member.replace('_', '-')}-{state}",
            why,
            _with(_TOKEN | {member: value}),
            400,
            where=f"fhirAuthorization.{member}",
            source=_RULE,
        )

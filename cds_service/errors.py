"""What can go wrong at the edge, and the one table from exception to HTTP status.

ServiceError
├── RequestError          a call that cannot be answered; `where` is a path in the request
│   ├── MalformedRequestError      400  not JSON, or not a CDS Hooks request
│   ├── UnknownServiceError        404  no such service id
│   ├── DataMissingError           412  required data neither sent nor obtainable
│   ├── WrongPatientError          412  a resource about somebody else: a hard stop
│   ├── BodyTooLargeError          413  more bytes than READMIT_MAX_BODY_BYTES
│   ├── BodyTooSlowError           408  a body that does not come to its end
│   ├── UnsupportedEncodingError   415  a compressed body
│   ├── ParameterError             400  a parameter of a search that is missing or malformed
│   └── UnknownAssessmentError     404  no such assessment, or none that the token may read
├── ClientNotTrustedError      401  no token, or one that is not accepted; the log says why
├── AccessDeniedError          403  a token that does not allow this; the log says why
├── SilentSiteError            403  a site that runs silently: no score leaves
├── AccessUncheckedError       503  the authorization server does not say what a token allows
├── StoreUnavailableError      503  the assessment cannot be stored, so it is not given
├── UnsealError                     sealed contents that do not open
│   ├── KeyUnknownError             no storage key is theirs
│   └── SealBrokenError             they are not as they were stored
└── StartRefusedError               the service must not start as it is configured

Anything else is a 500 with a correlation id and no detail. Messages are written here, in the
service's own words: they never quote the request.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any


class ServiceError(Exception):
    """Root of this package's errors. Messages never carry a patient's values."""


class RequestError(ServiceError):
    """A call that cannot be answered: where it is wrong, what is wrong, what to do."""

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {what} {remedy}")


class MalformedRequestError(RequestError):
    """Not JSON, or not the CDS Hooks request that the specification describes."""


class UnknownServiceError(RequestError):
    """No service of that id is offered."""


class DataMissingError(RequestError):
    """Data without which nothing can be said was not sent."""


class WrongPatientError(RequestError):
    """A resource in the request is about another patient than the context names."""


class BodyTooLargeError(RequestError):
    """The body has more bytes than the service accepts."""


class BodyTooSlowError(RequestError):
    """The body did not come to its end in time."""


class UnsupportedEncodingError(RequestError):
    """The body is compressed."""


class ParameterError(RequestError):
    """A parameter that is missing, malformed or given twice."""


class UnknownAssessmentError(RequestError):
    """No assessment of that id that the caller may read; whether there is another is not said."""


class ClientNotTrustedError(ServiceError):
    """A client that did not prove who it is. `reason` and `facts` are for the log; the message,
    which the client sees, is the same for all."""

    def __init__(self, reason: str, facts: Mapping[str, str]) -> None:
        super().__init__(
            "Authorization: this client is not trusted. The log of the service says why."
        )
        self.reason, self.facts = reason, facts


class AccessDeniedError(ServiceError):
    """A trusted client whose token does not allow what it asked. `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "Authorization: the token does not allow this. The log of the service says why."
        )
        self.reason = reason


class SilentSiteError(ServiceError):
    """The tenant is silent: everything is scored and stored, nothing is shown."""

    def __init__(self) -> None:
        super().__init__("This site runs silently: assessments are stored, and none is given out.")


class AccessUncheckedError(ServiceError):
    """What the token allows could not be asked. `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "Authorization: the token cannot be checked now, for the authorization server does not"
            " answer. Try again."
        )
        self.reason = reason


class StoreUnavailableError(ServiceError):
    """The database did not take the row; no assessment leaves without one."""


class UnsealError(ServiceError):
    """Sealed contents do not open."""


class KeyUnknownError(UnsealError):
    """None of the storage keys is the one that they were stored with."""


class SealBrokenError(UnsealError):
    """The contents were changed, or belong to another row."""


class StartRefusedError(ServiceError):
    """The service must not start so; the message says what to change."""


STATUS: dict[type[ServiceError], tuple[int, str]] = {
    MalformedRequestError: (400, "structure"),
    UnknownServiceError: (404, "not-found"),
    DataMissingError: (412, "required"),
    WrongPatientError: (412, "conflict"),
    BodyTooLargeError: (413, "too-long"),
    BodyTooSlowError: (408, "timeout"),
    UnsupportedEncodingError: (415, "not-supported"),
    ClientNotTrustedError: (401, "login"),
    ParameterError: (400, "invalid"),
    UnknownAssessmentError: (404, "not-found"),
    AccessDeniedError: (403, "forbidden"),
    SilentSiteError: (403, "suppressed"),
    AccessUncheckedError: (503, "transient"),
    StoreUnavailableError: (503, "transient"),
}
"""Exception type -> HTTP status and FHIR issue type. The only such table."""

FHIR_JSON = "application/fhir+json"


def operation_outcome(code: str, diagnostics: str) -> bytes:
    """The body of every error answer, validated as FHIR R4."""
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    outcome: str = _model()(issue=[issue]).model_dump_json()
    return outcome.encode()


@cache
def _model() -> Any:
    # a fifth of a second to import: paid by the first error, not by every start
    from fhir.resources.R4B.operationoutcome import OperationOutcome

    return OperationOutcome

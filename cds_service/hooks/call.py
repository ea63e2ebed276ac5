"""From the bytes of a hook request to a HookCall; every refusal names its path, never a value.

Only the envelope and the context are looked at: the resources in `prefetch` stay undecoded bytes
for records.py. Unknown members are ignored. Of a duplicated member the last one counts, as in
every JSON parser.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
from pydantic import SecretStr

from cds_service.errors import MalformedRequestError, WrongPatientError

Hook = Literal["encounter-discharge", "patient-view", "encounter-start"]
HOOKS: tuple[Hook, ...] = get_args(Hook)

Renew = Callable[[SecretStr], Awaitable[SecretStr | None]]
"""Another token in place of one that its server does not accept; None where there is none."""
LONGEST = 255
_LONGEST_TOKEN = 8192
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NOTHING = msgspec.Raw(b"null")
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


class _Envelope(msgspec.Struct, rename="camel", gc=False):
    """A CDS Hooks request; members are checked by hand, so that a refusal can name its path."""

    hook: msgspec.Raw = _NOTHING
    hook_instance: msgspec.Raw = _NOTHING
    context: msgspec.Raw = _NOTHING
    fhir_server: msgspec.Raw = _NOTHING
    fhir_authorization: msgspec.Raw = _NOTHING


class _Usual(_Envelope):
    """Nearly every request: its prefetch is an object, and opened in the same go."""

    prefetch: dict[str, msgspec.Raw] | None = None


class _Unusual(_Envelope):
    """Any other: what is wrong with it is said in the order in which a request is read."""

    prefetch: msgspec.Raw = _NOTHING


_usual = msgspec.json.Decoder(_Usual)
_unusual = msgspec.json.Decoder(_Unusual)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_anything = msgspec.json.Decoder(Any)


@dataclass(frozen=True)
class HookCall:
    """One call; `smart`: of a user in the SMART app, `batch`: of a batch run, neither a hook.
    `received` is the clock, read once for the call; `size` is the body's, in bytes.

    `token` may read at `fhir_server` for this call: no repr shows it, and nothing may keep it.
    `renew`: how to get another, where the caller can.
    """

    hook: Hook | Literal["smart", "batch"]
    hook_instance: str
    user_id: str | None
    patient_id: str
    encounter_id: str | None
    prefetch: dict[str, msgspec.Raw]
    received: datetime
    size: int
    fhir_server: str | None = None
    token: SecretStr | None = None
    renew: Renew | None = field(default=None, repr=False)


def read_call(body: bytes, received: datetime, *, hooks: Collection[str] = HOOKS) -> HookCall:
    """Read the envelope and the context; `hooks`: those that the service answers.

    Raises MalformedRequestError.
    """
    envelope = _decoded(body)
    hook = _known_hook(_string("hook", envelope.hook), hooks)
    instance = _string("hookInstance", envelope.hook_instance)
    context = _object("context", envelope.context)
    if context is None:
        raise MalformedRequestError("context", "missing.", "Send the hook's context as an object.")
    user = _string("context.userId", context.get("userId", _NOTHING))
    patient = _bare_id("context.patientId", context.get("patientId", _NOTHING))
    token = _token(envelope.fhir_authorization, patient)
    server = _server(envelope.fhir_server, needed=token is not None)
    return HookCall(
        hook=hook,
        hook_instance=instance,
        user_id=user,
        patient_id=patient,
        encounter_id=_encounter_id(context.get("encounterId", _NOTHING), hook),
        prefetch=_prefetch(envelope) or {},
        received=received,
        size=len(body),
        fhir_server=server,
        token=token,
    )


def _decoded(body: bytes) -> _Usual | _Unusual:
    try:
        body.decode()  # msgspec checks only the strings it keeps
        with suppress(*_UNREADABLE):
            return _usual.decode(body)
        return _unusual.decode(body)
    except msgspec.ValidationError:
        raise MalformedRequestError("request body", "not an object.", _SEND) from None
    except UnicodeError:
        raise MalformedRequestError("request body", "not UTF-8.", _SEND) from None
    except RecursionError:
        raise MalformedRequestError("request body", "nested too deeply.", _SEND) from None
    except msgspec.MsgspecError:
        raise MalformedRequestError("request body", "not JSON.", _SEND) from None


def _prefetch(envelope: _Usual | _Unusual) -> dict[str, msgspec.Raw] | None:
    if isinstance(envelope, _Usual):
        return envelope.prefetch
    return _object("prefetch", envelope.prefetch)


def _object(where: str, raw: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    try:
        members: dict[str, msgspec.Raw] | None = _members.decode(raw)
    except _UNREADABLE:
        raise MalformedRequestError(
            where, "not an object.", f"Send {where} as an object."
        ) from None
    return members


def _string(where: str, raw: msgspec.Raw, *, longest: int = LONGEST) -> str:
    text = _value(raw)
    if text is None:
        raise MalformedRequestError(where, "missing.", "It is required, as a string.")
    if not isinstance(text, str):
        raise MalformedRequestError(where, "not a string.", "It is required, as a string.")
    if not text.isprintable():
        raise MalformedRequestError(where, "has control characters.", "Send printable text.")
    if not 0 < len(text) <= longest:
        raise MalformedRequestError(where, "empty or too long.", f"Send 1 to {longest} characters.")
    return text


def _value(raw: msgspec.Raw) -> object:
    """The JSON value; where it cannot be read a number, which nothing here accepts for text."""
    try:
        return _anything.decode(raw)
    except _UNREADABLE:
        return 0


def _known_hook(name: str, hooks: Collection[str]) -> Hook:
    for hook in HOOKS:
        if hook == name and hook in hooks:
            return hook
    offered = " or ".join(hooks)
    raise MalformedRequestError("hook", "not a hook of this service.", f"Call it from {offered}.")


def _bare_id(where: str, raw: msgspec.Raw) -> str:
    text = _string(where, raw)
    if "/" in text or not text.isprintable() or " " in text:
        raise MalformedRequestError(
            where, "not a bare id.", "Send the logical id, not a reference."
        )
    return text


def _encounter_id(raw: msgspec.Raw, hook: Hook) -> str | None:
    where = "context.encounterId"
    if hook == "patient-view" and bytes(raw) == b"null":  # optional there
        return None
    return _bare_id(where, raw)


def _server(raw: msgspec.Raw, *, needed: bool) -> str | None:
    if _value(raw) is None and not needed:
        return None
    return _string("fhirServer", raw, longest=_LONGEST_TOKEN)


def _token(raw: msgspec.Raw, patient_id: str) -> SecretStr | None:
    """CDS Hooks 2.0, Passing the Access Token: every member that it requires, and nothing kept but
    the token itself. Raises MalformedRequestError, or WrongPatientError for somebody else's token.
    """
    members = _object("fhirAuthorization", raw)
    if members is None:
        return None
    for name in ("token_type", "scope", "subject"):
        _string(f"fhirAuthorization.{name}", members.get(name, _NOTHING), longest=_LONGEST_TOKEN)
    _check_lifetime(members.get("expires_in", _NOTHING))
    _check_token_type(members["token_type"])
    _check_token_patient(members.get("patient", _NOTHING), patient_id)
    where = "fhirAuthorization.access_token"
    text = _string(where, members.get("access_token", _NOTHING), longest=_LONGEST_TOKEN)
    if not _BEARER.fullmatch(text):
        raise MalformedRequestError(where, "not a bearer token.", "Send it as RFC 6750 writes it.")
    return SecretStr(text)


def _check_token_type(raw: msgspec.Raw) -> None:
    if _value(raw) != "Bearer":
        where = "fhirAuthorization.token_type"
        raise MalformedRequestError(where, "not Bearer.", "Send Bearer: no other type is known.")


def _check_lifetime(raw: msgspec.Raw) -> None:
    seconds = _value(raw)
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        where = "fhirAuthorization.expires_in"
        raise MalformedRequestError(where, "not a whole number.", "It is required, in seconds.")


def _check_token_patient(raw: msgspec.Raw, patient_id: str) -> None:
    where = "fhirAuthorization.patient"
    if _value(raw) is not None and _string(where, raw) != patient_id:
        what = "the token is for another patient than context.patientId names."
        raise WrongPatientError(where, what, "Send a token for that patient; nothing was assessed.")


_SEND = "Send a CDS Hooks request as a JSON object in UTF-8."

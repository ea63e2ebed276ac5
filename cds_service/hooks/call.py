"""From the bytes of a hook request to a HookCall; every refusal names its path, never a value.

Only the envelope and the context are looked at: the resources in `prefetch` stay undecoded bytes
for records.py. Unknown members are ignored, and with them `fhirAuthorization`: its token is never
decoded. Of a duplicated member the last one counts, as in every JSON parser.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from cds_service.errors import MalformedRequestError

Hook = Literal["encounter-discharge", "patient-view", "encounter-start"]
HOOKS: tuple[Hook, ...] = get_args(Hook)

LONGEST = 255
_NOTHING = msgspec.Raw(b"null")
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


class _Envelope(msgspec.Struct, rename="camel", gc=False):
    """A CDS Hooks request; members are checked by hand, so that a refusal can name its path."""

    hook: msgspec.Raw = _NOTHING
    hook_instance: msgspec.Raw = _NOTHING
    context: msgspec.Raw = _NOTHING
    prefetch: msgspec.Raw = _NOTHING


_envelope = msgspec.json.Decoder(_Envelope)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_anything = msgspec.json.Decoder(Any)


@dataclass(frozen=True)
class HookCall:
    """One call. `received` is the clock, read once for the call; `size` is the body's, in bytes."""

    hook: Hook
    hook_instance: str
    patient_id: str
    encounter_id: str | None
    prefetch: dict[str, msgspec.Raw]
    received: datetime
    size: int


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
    _string("context.userId", context.get("userId", _NOTHING))
    return HookCall(
        hook=hook,
        hook_instance=instance,
        patient_id=_bare_id("context.patientId", context.get("patientId", _NOTHING)),
        encounter_id=_encounter_id(context.get("encounterId", _NOTHING), hook),
        prefetch=_object("prefetch", envelope.prefetch) or {},
        received=received,
        size=len(body),
    )


def _decoded(body: bytes) -> _Envelope:
    try:
        body.decode()  # msgspec checks only the strings it keeps
        return _envelope.decode(body)
    except msgspec.ValidationError:
        raise MalformedRequestError("request body", "not an object.", _SEND) from None
    except UnicodeError:
        raise MalformedRequestError("request body", "not UTF-8.", _SEND) from None
    except RecursionError:
        raise MalformedRequestError("request body", "nested too deeply.", _SEND) from None
    except msgspec.MsgspecError:
        raise MalformedRequestError("request body", "not JSON.", _SEND) from None


def _object(where: str, raw: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    try:
        members: dict[str, msgspec.Raw] | None = _members.decode(raw)
    except _UNREADABLE:
        raise MalformedRequestError(
            where, "not an object.", f"Send {where} as an object."
        ) from None
    return members


def _string(where: str, raw: msgspec.Raw) -> str:
    text: object
    try:
        text = _anything.decode(raw)
    except _UNREADABLE:
        text = 0
    if text is None:
        raise MalformedRequestError(where, "missing.", "The hook requires it, as a string.")
    if not isinstance(text, str):
        raise MalformedRequestError(where, "not a string.", "The hook requires it, as a string.")
    if not text.isprintable():
        raise MalformedRequestError(where, "has control characters.", "Send printable text.")
    if not 0 < len(text) <= LONGEST:
        raise MalformedRequestError(where, "empty or too long.", f"Send 1 to {LONGEST} characters.")
    return text


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


_SEND = "Send a CDS Hooks request as a JSON object in UTF-8."

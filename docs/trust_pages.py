"""The bodies of two reference pages: the tenants file, and why a client is refused."""

import types
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from cds_service.backend_registration import Backend
from cds_service.settings import Settings
from cds_service.tenants import Alert, Api, Smart, Tenant
from cds_service.trust.refusals import REFUSALS

EXAMPLE = Path(__file__).parents[1] / "configs" / "tenants.toml"
Rows = list[tuple[str, ...]]

CLIENT_AUTHENTICATION = f"""\
With tenants configured (`READMIT_TENANTS`), every call carries `Authorization: Bearer <token>`: discovery,
each service call and each feedback call. The token is a JSON Web Token as CDS Hooks 2.0 describes it under
"Trusting CDS Clients", made anew for every call. `/health/*` and `/metrics` ask for none.

## What a token holds
| where | member | value |
| --- | --- | --- |
| header | `alg` | one of `READMIT_ALGORITHMS` (default {", ".join(Settings.model_fields["algorithms"].default)}) |
| header | `kid` | name of the signing key, unique in the key set |
| header | `typ` | `JWT` |
| header | `jku` | the tenant's `jku`, to the letter; may be left out where one tenant alone has this `iss` |
| payload | `iss` | the tenant's `iss`, to the letter |
| payload | `aud` | the address of the endpoint called: `READMIT_PUBLIC_URL` and the path, as text or in an array |
| payload | `iat`, `exp` | seconds since 1970, at most `READMIT_TOKEN_LIFETIME_S` apart; `READMIT_CLOCK_SKEW_S` is allowed for clocks |
| payload | `jti` | a nonce; each counts once for one `iss`, in all workers and across restarts |

`aud` is `https://readmit.example.org/cds-services` for discovery,
`https://readmit.example.org/cds-services/readmission-risk` for a call of that service and
`https://readmit.example.org/cds-services/readmission-risk/feedback` for its feedback, where
`READMIT_PUBLIC_URL` is `https://readmit.example.org`: what clients call, not what a proxy forwards to.

## Keys
A key set is fetched from the tenant's `jku` and from nowhere else, when a call first needs it. It is kept for
its `max-age`, within one minute and 24 hours (10 minutes where nothing is said). A `kid` that it does not have
makes it be fetched anew, every 30 seconds at most. Redirects are not followed; an answer has three seconds
and 256 KiB. While a key set cannot be had, the keys at hand serve until they expire; then nobody is trusted.
Only public RSA keys of at least 2048 bits and EC keys are used, and only with the `alg` they are for.

## Refused
Every refusal is the same answer: status 401, `WWW-Authenticate: Bearer` and an OperationOutcome that says no
more. The reason is in the service's log, in the one line of the call:

```json
{{"event": "answered", "status": 401, "refused": "audience_mismatch", "differs": "path", "claims_to_be": "north", "request_id": "..."}}
```

`claims_to_be` is the tenant whose `iss` the token names: not proven. No line holds the token or a claim.
"""

TENANTS = """\
`READMIT_TENANTS` names a TOML file with one `[[tenant]]` for each client that is trusted. It is read at start;
an unknown field, a wrong value or two tenants with the same name, or the same `iss` and `jku`, stop the start
with a sentence that says where. Addresses are https, or http to this very machine.
"""


def refusals() -> Rows:
    """Code, meaning, and what to do."""
    return [(f"`{code}`", *words) for code, words in REFUSALS.items()]


def fields(of: type[Tenant | Alert | Smart | Backend | Api]) -> Rows:
    """Name, values, default and meaning of each field."""
    return [
        (f"`{name}`", _values(field), _default(field), field.description or "")
        for name, field in of.model_fields.items()
    ]


def example() -> str:
    """A whole file."""
    return f"```toml\n{EXAMPLE.read_text('utf-8')}```\n"


def _values(field: FieldInfo) -> str:
    return " or ".join(dict.fromkeys(_words(field.annotation)))


def _words(kind: Any) -> Iterable[str]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return [word for each in inner if each is not type(None) for word in _words(each)]
    if origin is Literal:
        return [f"`{value}`" for value in inner]
    if origin is Annotated:
        return _words(inner[0])
    if origin is tuple:
        return ["array of text"]
    return [_WORDS.get(kind, "a table")]


_WORDS = {str: "text", Path: "text", bool: "boolean", int: "number", float: "number"}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, bool):
        return "`true`" if field.default else "`false`"
    return f"`{field.default}`" if field.default not in (None, (), {}) else ""

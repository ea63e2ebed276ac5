"""What an access token allows, and which assessments that is. Pure.

Scopes are those of SMART App Launch 2.2 for RiskAssessment, v1 mapped to v2. What the token's user may
see within the tenant is the issuer's business: a `user/` scope is as wide as it was granted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cds_service.api.refusals import denied
from cds_service.tenants import Tenant

Action = Literal["r", "s"]
"""Read one by its id, or search."""
_SCOPE = re.compile(r"(patient|user|system)/(?:RiskAssessment|\*)\.(read|\*|c?r?u?d?s?)")
_V1 = {"read": "rs", "*": "cruds"}


@dataclass(frozen=True)
class Access:
    """A token's scopes, and the patient in its context."""

    scopes: tuple[str, ...]
    patient: str | None

    def levels(self, action: Action) -> frozenset[str]:
        """Those of patient, user and system at which the token allows the action."""
        matches = filter(None, map(_SCOPE.fullmatch, self.scopes))
        return frozenset(m[1] for m in matches if action in _V1.get(m[2], m[2]))


def access_of(claims: Mapping[str, Any]) -> Access:
    """From the claims of a token, or of an introspection. Anything unusable allows nothing."""
    scope = claims.get("scope", claims.get("scp"))
    words = scope.split() if isinstance(scope, str) else scope
    listed = tuple(w for w in words if isinstance(w, str)) if isinstance(words, list) else ()
    patient = claims.get("patient")
    named = patient.removeprefix("Patient/") if isinstance(patient, str) else ""
    return Access(listed, named or None)


@dataclass(frozen=True)
class Reader:
    """Who reads, on behalf of which tenant; `access` None: this machine under --dev."""

    tenant: Tenant
    access: Access | None

    def only(self, action: Action) -> str | None:
        """The one patient to whom the action is limited, None where it is not. Raises AccessDeniedError."""
        if self.access is None:
            return None
        levels = self.access.levels(action)
        if levels & {"user", "system"}:
            return None
        if "patient" not in levels:
            raise denied("scope_missing")
        if self.access.patient is None:
            raise denied("patient_claim_missing")
        if len(self.tenant.fhir_servers) > 1:  # another person may have the id at another of them
            raise denied("patient_ambiguous")
        return self.access.patient

    def check_search(self, patient_id: str) -> None:
        """Whether assessments of this patient may be searched. Raises AccessDeniedError."""
        if self.only("s") not in (None, patient_id):
            raise denied("other_patient")

"""The body of the read API's reference page."""

from cds_service.api.introspection import KEPT
from cds_service.api.refusals import DENIED, UNTRUSTED
from cds_service.api.schemas import Assessed, Summary
from cds_service.api.searches import MOST, USUAL

Rows = list[tuple[str, ...]]
ABOUT = f"""\
What was assessed can be read again, as JSON and as FHIR R4, by whoever brings an access token of the
tenant's own authorization server (`[tenant.api]` in [the tenants file](tenants.md)). Without that table
nobody can. A silent site gives no score out: 403. Under `--dev` whoever is on this machine may read.

| request | answer |
| --- | --- |
| `GET /assessments?patient=ID[&since=TIME][&count=N]` | a patient's assessments, newest first |
| `GET /assessments/ID` | one, with what was kept of its inputs |
| `GET /fhir/RiskAssessment?patient=ID[&_count=N]` | the same as a searchset |
| `POST /fhir/RiskAssessment/_search` | the same, with the patient in the body and in no address |
| `GET /fhir/RiskAssessment/ID` | one |
| `GET /fhir/metadata` | what the FHIR endpoint can do; needs no token |

`patient` is an id, `Patient/` before it or not, or the whole address on one of the tenant's FHIR servers; where
there are several, only the address says which patient is meant, and a `patient/` scope allows nothing. A
page has {USUAL} assessments, {MOST} at most; the link to the next names no patient, and holds for an hour.
Answers are `Cache-Control: no-store`. No log line, metric or trace of ours holds what was searched for; a
proxy before the service may write addresses down, which is what `_search` is for.

## Tokens
JSON Web Tokens (RFC 9068; `typ` may be `JWT`) are verified with the key set at `jwks_uri`: `iss` is `issuer`,
`aud` has `audience`, `alg` is one of `READMIT_ALGORITHMS`, which many issuers' RS256 is not unless it is
added. Opaque tokens are asked about at `introspection` (RFC 7662) with HTTP Basic; an answer is kept for
{KEPT.seconds} seconds at most and never past `exp`. Where `aud` or `iss` is in that answer it must be ours; where it is
not, the endpoint is believed to answer for tokens of this service only. While it does not answer, nobody
reads: 503.

| scope | allows |
| --- | --- |
| `system/RiskAssessment.rs`, `user/RiskAssessment.rs` | all patients of the tenant |
| `patient/RiskAssessment.rs` | the patient in the token's `patient` |

`r` reads one, `s` searches; version 1 `.read` does both. `*` in place of the type counts. What a `user/` scope
allows its user is the issuer's decision. Assessments of another tenant do not exist for a token; another
patient's are 403 in a search and 404 by id.

## JSON
`GET /openapi.json` has the schemas. The list has the first {len(Summary.model_fields)} fields, one assessment all.
"""
FHIR = """\
## FHIR
A `RiskAssessment` is validated as R4. `identifier` is our id as a URN, so that writing it twice can be
told. `probabilityDecimal` is a percent, as R4 wants it, and `relativeRisk` is against the base rate that it was
shown beside; the interval is the extension `urn:org.readmit:interval`, a Range in percent. `whenPeriod` is the 30
days after discharge, without an end where that is yet to come. LACE and HOSPITAL are predictions of their own,
for the outcome that each was published for: a `qualitativeRisk`, never a percent. `basis` names the resources that
the inputs came from, by version where it is known.

| `status` | meaning |
| --- | --- |
| `final` | made at discharge |
| `preliminary` | made while the stay lasted |
| `cancelled` | no score: `note` says why. It is not a low risk |
"""
REFUSED = """\
## Refused
A token that is not accepted is a 401, one that does not allow what was asked a 403; the reason is in the
service's log only, as `refused`. Codes that are not here are in
[client authentication](client-authentication.md).
"""


def fields() -> Rows:
    """Every field of an assessment as JSON."""
    return [(f"`{name}`", each.description or "") for name, each in Assessed.model_fields.items()]


def refusals() -> Rows:
    """Code, meaning, and what to do."""
    return [(f"`{code}`", *words) for code, words in {**UNTRUSTED, **DENIED}.items()]

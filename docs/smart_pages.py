"""The body of one reference page: signing in to the SMART app, and every page that says why not."""

from cds_service.smart.discovery import KEPT
from cds_service.smart.launching import LASTS
from cds_service.smart.problems import PROBLEMS
from cds_service.smart.scopes import WORKLIST_TYPES, resource_types
from cds_service.smart.session import IDLE, LONGEST
from docs.trust_pages import Rows
from fhir_mapping.prefetch import PREFETCH

_READ = ", ".join(f"`{each}`" for each in resource_types(PREFETCH))
_LISTED = " ".join(f"user/{each}.rs" for each in WORKLIST_TYPES)

SMART = f"""\
SMART App Launch 2.2, for the tenants that have `[tenant.smart]` ([tenants](tenants.md)). Addresses are those of
`READMIT_PUBLIC_URL`, here `https://readmit.example.org`. Tokens never reach the browser.

## What to register
| field | value |
| --- | --- |
| launch URL | `https://readmit.example.org/smart/launch`; also `smart_launch` of the tenant, so that cards link to it |
| redirect URL | `https://readmit.example.org/smart/callback` |
| key set, where `auth` is private_key | `https://readmit.example.org/.well-known/jwks.json` |
| to start it alone | `https://readmit.example.org/smart/standalone`, with `?iss=` of the FHIR server where there are several |
| to start the worklist | `https://readmit.example.org/smart/standalone?for=worklist` |

Only servers in `fhir_servers` may launch it; the app asks their `.well-known/smart-configuration`, kept for
{KEPT.seconds // 60} minutes. Endpoints must be https. PKCE with S256 is always sent; a server that states
`code_challenge_methods_supported` without it is refused, one that states nothing is not.

## Scopes
| launch | asked for |
| --- | --- |
| from a chart | `launch` |
| alone | `launch/patient launch/encounter` |
| the worklist | `{_LISTED}` |
| all, where the server has a key set | `openid fhirUser` |
| all, where the server lists one | `online_access`, else `offline_access` |

For a patient, `patient/TYPE.rs` of each type that the bundles read, at most {_READ}. A server that shows only
SMART 1 scopes is asked for `.read`. What is granted decides: a type that was not granted counts as not read, one
that was granted by a granular scope (`?category=`) as read in part, and the page names both.

## How long
A sign-in may take {LASTS.seconds // 60} minutes. A session ends after {IDLE.seconds // 60} minutes without use,
{LONGEST.seconds // 3600} hours after signing in, when the user signs out, when the server refuses to refresh its
token, and when its storage key or its tenant's registration is gone. Signing out revokes the token where the
server has a `revocation_endpoint`.

## Pages that say why not
The code is on the page and in the log line of the request, as `problem`.
"""


def problems() -> Rows:
    """Code, status, what happened, what to do."""
    return [
        (f"`{code}`", str(words.status), words.happened, words.remedy)
        for code, words in PROBLEMS.items()
    ]

"""What discovery says of each service: its words by task, the rest from its bundle."""

from collections.abc import Mapping

from cds_service.hooks.schemas import Service
from cds_service.services import Offered
from cds_service.tenants import Tenant
from fhir_mapping.prefetch import prefetch_templates
from model.manifest import Manifest, Task

_DESCRIPTIONS: Mapping[Task, str] = {
    "readmission_30d": (
        "Says at discharge what is known of the patient's risk of an unplanned readmission within"
        " 30 days, what drives it, and how much of the record it could see."
    ),
    "critical_outcome": (
        "Says of an adult's ED visit what is known of the risk of intensive care within 12 h of"
        " leaving the ED, or death in hospital, what drives it, as of which moment, and how much"
        " of the record it could see."
    ),
}
_REQUIREMENTS: Mapping[Task, str] = {
    "readmission_30d": "",
    "critical_outcome": (
        " Of a visit in progress the answer is as of the call, and time-bound. Time-critical"
        " predictions are a regulated use that this site has turned on."
    ),
}
_REQUIRED = (
    "FHIR R4. patient and encounter (patient-view: patient and encounters) are required, else 412."
    " Every other key that cannot be had costs the inputs that rest on it, and the card says so."
)
_FETCHED = " What is left out is read from fhirServer, where this site lists it for you."
_NOT_FETCHED = " The service reads no FHIR server for you: send every key."


def described(service: Offered, hook: str, tenant: Tenant) -> Service:
    """The service under one of its hooks, as discovery lists it for a tenant."""
    assessor = service.of(tenant)
    manifest = assessor.bundle.manifest
    required = _REQUIRED + (_FETCHED if tenant.fhir_servers else _NOT_FETCHED)
    return Service(
        hook=hook,
        id=service.id,
        title=manifest.title,
        description=_description(manifest),
        prefetch=prefetch_templates(hook, assessor.asked),
        usage_requirements=required + _REQUIREMENTS[manifest.task],
    )


def _description(manifest: Manifest) -> str:
    return f"{_DESCRIPTIONS[manifest.task]} For {manifest.population}. {manifest.notice}"

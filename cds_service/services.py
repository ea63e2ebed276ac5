"""What is offered: each service id with its bundle, its hooks, and how each tenant reads it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cds_service.assessment import Assessor
from cds_service.errors import StartRefusedError
from cds_service.tenants import Tenant
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.errors import ProfileError
from fhir_mapping.profiles import load_profile
from model.bundle import load_bundle
from model.errors import BundleError
from model.scoring import scorer_for


@dataclass(frozen=True)
class Offered:
    """One service. `assessor` is the bundle's own; a tenant's choices are put on it by `of`."""

    id: str
    assessor: Assessor
    tenants: Mapping[str, Assessor]

    @property
    def hooks(self) -> tuple[str, ...]:
        """The hooks that the bundle was released for."""
        return self.assessor.bundle.manifest.hooks

    def of(self, tenant: Tenant) -> Assessor:
        """The assessor with the profile and base rate of the tenant."""
        return self.tenants[tenant.name]


def offered(bundles: Mapping[str, Path], tenants: Iterable[Tenant]) -> dict[str, Offered]:
    """Load and verify every bundle, once. Raises StartRefusedError."""
    listed = tuple(tenants)
    return {name: _offered(name, folder, listed) for name, folder in bundles.items()}


def _offered(name: str, folder: Path, tenants: tuple[Tenant, ...]) -> Offered:
    try:
        bundle = load_bundle(folder.resolve(), mapping_digest=CATALOGUE.digest)
    except BundleError as wrong:
        raise StartRefusedError(str(wrong)) from wrong
    if bundle.manifest.task != "readmission_30d":
        raise StartRefusedError(
            f"bundle: {bundle.manifest.name} predicts {bundle.manifest.task}, which is off: "
            "time-critical predictions are a regulated use. Name a bundle of readmission_30d."
        )
    assessor = Assessor(bundle, scorer_for(bundle))
    return Offered(name, assessor, {each.name: chosen_by(each, assessor) for each in tenants})


def chosen_by(tenant: Tenant, assessor: Assessor) -> Assessor:
    """The assessor with a tenant's choices. Raises StartRefusedError for an unknown profile."""
    try:
        profile = load_profile(tenant.profile) if tenant.profile else None
    except ProfileError as wrong:
        raise StartRefusedError(str(wrong)) from wrong
    return replace(assessor, profile=profile, site_base_rate=tenant.base_rate)

"""What is offered: each service id with its bundle, its hooks, and how each tenant reads it."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cds_service.assessment import Assessor
from cds_service.errors import StartRefusedError
from cds_service.tasks import RULES
from cds_service.tenants import Tenant
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.emergency import features_known_at
from fhir_mapping.errors import ProfileError
from fhir_mapping.profiles import load_profile
from model.bundle import load_bundle
from model.errors import BundleError
from model.manifest import Manifest
from model.scoring import scorer_for

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")


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


def offered(
    bundles: Mapping[str, Path], tenants: Iterable[Tenant], *, critical_outcome: bool = False
) -> dict[str, Offered]:
    """Load and verify every bundle, once. `critical_outcome`: bundles of that task are served too.

    Raises StartRefusedError.
    """
    listed = tuple(tenants)
    _check_ids(bundles)
    _check_alerts(bundles, listed)
    return {
        name: _offered(name, folder, listed, critical_outcome=critical_outcome)
        for name, folder in bundles.items()
    }


def _check_ids(bundles: Collection[str]) -> None:
    if not bundles:
        raise StartRefusedError(
            "READMIT_BUNDLES: names no bundle, so there is nothing to serve. Give service id and"
            ' folder: {"readmission-risk": "bundles/demo"}.'
        )
    for name in bundles:
        if not _ID.fullmatch(name):
            raise StartRefusedError(
                f"READMIT_BUNDLES: the service id {name!r} cannot stand in a URL. Use up to 64"
                " letters, digits and - . _ ~, a letter or digit first."
            )


def _check_alerts(bundles: Collection[str], tenants: Iterable[Tenant]) -> None:
    for tenant in tenants:
        for name in tenant.alerts:
            if name not in bundles:
                raise StartRefusedError(
                    f"tenant {tenant.name}: alerts.{name}: no service of that id is offered, so"
                    f" its threshold would never be used. Offered: {', '.join(bundles)}."
                )


def _offered(
    name: str, folder: Path, tenants: tuple[Tenant, ...], *, critical_outcome: bool
) -> Offered:
    try:
        bundle = load_bundle(folder.resolve(), mapping_digest=CATALOGUE.digest)
    except BundleError as wrong:
        raise StartRefusedError(str(wrong)) from wrong
    if bundle.manifest.task == "critical_outcome":
        _check_critical(bundle.manifest, allowed=critical_outcome)
    _check_hooks(bundle.manifest)
    assessor = Assessor(bundle, scorer_for(bundle))
    return Offered(name, assessor, {each.name: chosen_by(each, assessor) for each in tenants})


def _check_critical(manifest: Manifest, *, allowed: bool) -> None:
    """It is turned on, and says as of when it predicts, from what is known by then."""
    if not allowed:
        raise StartRefusedError(
            f"bundle: {manifest.name} predicts {manifest.task}, which is off: time-critical"
            " predictions are a regulated use. Name a bundle of readmission_30d, or set"
            " READMIT_CRITICAL_OUTCOME if your site has decided to answer for it."
        )
    if manifest.kind != "trained" or manifest.variant is None:
        raise StartRefusedError(
            f"bundle: {manifest.name} predicts {manifest.task} and is not a trained bundle that"
            " states its variant, triage or ed_departure. Release it again."
        )
    late = sorted({*manifest.features} - {*features_known_at(manifest.variant)})
    if late:
        raise StartRefusedError(
            f"bundle: {manifest.name} takes {', '.join(late)}, not known at {manifest.variant}."
            " Train it without them."
        )


def _check_hooks(manifest: Manifest) -> None:
    known = RULES[manifest.task].hooks
    wrong = [hook for hook in manifest.hooks if hook not in known]
    if wrong or not manifest.hooks:
        raise StartRefusedError(
            f"bundle: {manifest.name} names {', '.join(wrong) or 'no hook'};"
            f" {manifest.task} answers {' and '.join(known)}. Release it with one of these."
        )


def chosen_by(tenant: Tenant, assessor: Assessor) -> Assessor:
    """The assessor with a tenant's choices. Raises StartRefusedError for an unknown profile."""
    try:
        profile = load_profile(tenant.profile) if tenant.profile else None
    except ProfileError as wrong:
        raise StartRefusedError(str(wrong)) from wrong
    return replace(assessor, profile=profile, site_base_rate=tenant.base_rate)

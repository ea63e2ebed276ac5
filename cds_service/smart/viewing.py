"""Which stored assessment a session may see, and which it is shown. Nothing else reads one for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.dependencies import ServiceState
from cds_service.recalled import Recalled, recalled
from cds_service.smart.refusing import Reason, refused_view
from cds_service.smart.session import AppSession
from cds_service.storage.store import Shown


@dataclass(frozen=True)
class Seen:
    """What a session sees: an assessment, None where there is none yet; and the rows of all of the
    patient's, oldest first."""

    chosen: Recalled | None
    rows: Sequence[Mapping[str, Any]]


async def seen(session: AppSession, state: ServiceState, asked: str | None) -> Seen:
    """The assessment that is asked for, else the card's, else the newest of the stay. Raises
    SmartProblemError where it is not this patient's."""
    all_rows = await state.store.of_patient(session.tenant.name, session.patient_id or "")
    rows = [row for row in all_rows if row["fhir_server"] == session.iss]
    named = asked or session.app_context
    if named is not None:
        return Seen(await allowed(session, state, named), rows)
    shown = (row for row in reversed(rows) if not _hidden(session, row))
    newest = next((row for row in shown if _same_stay(session, row)), None)
    return Seen(await allowed(session, state, newest["uuid"]) if newest else None, rows)


async def allowed(session: AppSession, state: ServiceState, name: str) -> Recalled:
    """An assessment by its id. Raises SmartProblemError, and the audit chain has a link, where
    tenant, patient or stay is another than the session's."""
    found = await state.store.assessment(session.tenant.name, name)
    wrong = _wrong(session, found, card=name == session.app_context)
    if found is None or wrong is not None:
        raise await refused_view(session, state, assessment=name, reason=wrong or "unknown")
    return recalled(found.row, found.contents)


def _wrong(session: AppSession, found: Shown | None, *, card: bool) -> Reason | None:
    """A card's stay is the launched one; other stays of the patient are his history."""
    if found is None:
        return "unknown"
    if found.row["fhir_server"] != session.iss:  # whose patient has this id is another question
        return "other_server"
    if session.patient_id is None or found.row["patient_id"] != session.patient_id:
        return "other_patient"
    if _hidden(session, found.row):
        return "made_silently"
    stays = {found.row["encounter_id"], session.encounter_id} - {None}
    return "other_encounter" if card and len(stays) > 1 else None


def _hidden(session: AppSession, row: Mapping[str, Any]) -> bool:
    """What was made silently stays so when the site no longer is. While it is, its page says that."""
    return bool(row["silent"]) and not session.tenant.silent


def _same_stay(session: AppSession, row: Mapping[str, Any]) -> bool:
    return session.encounter_id is None or row["encounter_id"] == session.encounter_id

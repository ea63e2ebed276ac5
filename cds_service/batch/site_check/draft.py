"""A site profile to start from: the base, and as comments what nothing maps, to be decided.

It loads as it is and then reads like its base: nothing is mapped by a guess.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.batch.site_check.codes import DISPOSITION, ED_SOURCE, PRIORITY, SOURCE
from cds_service.batch.site_check.findings import SiteCheck, UnmappedCode
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.codelists import loinc_measures
from fhir_mapping.profiles import Profile

_LEVELS = {
    "admission_type": (PRIORITY, CATALOGUE["admission_type"].levels),
    "admit_source": (SOURCE, ("emergency", "newborn", "transfer")),
    "arrival": (ED_SOURCE, CATALOGUE["arrival_transport"].levels),
    "disposition": (DISPOSITION, CATALOGUE["discharge_location"].levels),
}
"""Table of the profile -> the element whose codes it holds, and the levels they may have."""


@dataclass(frozen=True)
class Draft:
    """What is known when the draft is written: the findings and the base."""

    findings: SiteCheck
    profile: Profile
    extends: str

    def of(self, *elements: str) -> tuple[UnmappedCode, ...]:
        """The unmapped codes of these elements."""
        return tuple(each for each in self.findings.unmapped if each.element in elements)

    def base(self, table: str, key: str) -> Any:
        """What the base says."""
        return self.profile.tables[table].get(key, [])


def draft_profile(findings: SiteCheck, profile: Profile, extends: str) -> str:
    """The TOML. `extends`: the name or path by which the base is loaded."""
    draft = Draft(findings, profile, extends)
    return "\n".join((*_head(draft), *_body(draft))) + "\n"


def _head(draft: Draft) -> Iterator[str]:
    yield "# A draft by `readmit check-site`. A line behind # changes nothing: decide, edit, remove"
    yield "# the #, and run check-site again with --profile and this file. A list replaces the list"
    yield "# of the base, so what the base has stands in it already."
    yield 'name = "my_site"'
    yield f"extends = {_text(draft.extends)}"
    yield 'description = "Our site: say here what is particular"'
    yield f"timezone = {_text(str(draft.profile.tables['timezone']))}    # {_zone_note(draft)}"


def _zone_note(draft: Draft) -> str:
    counts = [each.count for each in draft.findings.issues if each.code == "zone_assumed"]
    return f"times without a zone: {sum(counts)}; set where the hospital is"


def _body(draft: Draft) -> Iterator[str]:
    yield from _classes(draft)
    yield from _systems(draft, "Condition.code", "diagnosis", ("icd10_systems", "icd9_systems"))
    yield from _systems(draft, "Procedure.code", "procedure", ("systems",))
    yield from _codes(draft)
    yield from _units(draft)
    yield from _levels(draft)
    yield from _payers(draft)


def _classes(draft: Draft) -> Iterator[str]:
    found = draft.of("Encounter.class")
    if found:
        yield "\n[encounter]    # which classes are stays in hospital, which are emergency visits"
        yield from map(_seen, found)
        for key in ("hospital_classes", "ed_classes"):
            yield f"# {key} = {_list((*draft.base('encounter', key), *_distinct(found)))}"


def _systems(draft: Draft, element: str, table: str, keys: Sequence[str]) -> Iterator[str]:
    found = [each for each in draft.of(element) if each.system and each.local]
    if found:
        yield f"\n[{table}]    # local systems of {element}: do they hold codes of these kinds?"
        yield from map(_seen, found)
        systems = dict.fromkeys(each.system for each in found)
        for key in keys:
            yield f"# {key} = {_list((*draft.base(table, key), *systems))}"


def _codes(draft: Draft) -> Iterator[str]:
    found = draft.of("Observation.code", "Observation.component.code")
    yield "\n[codes]    # measure = local tokens system|code, beside LOINC"
    for measure in sorted(set(loinc_measures().values())):
        yield f"# {measure} = {_list(draft.base('codes', measure))}"
    if found:
        yield "# What nothing maps; most of it need not be mapped. Of interest is what is one of the above:"
    for each in found:
        yield f"# {_text(f'{each.system}|{each.code}')}    # {_said(each)}"


def _units(draft: Draft) -> Iterator[str]:
    odd = [each for each in draft.findings.units if each.unit and not each.understood]
    if odd:
        yield '\n[units]    # spellings that are no UCUM code: "spelling" = "UCUM"'
        for each in odd:
            yield f'# {_text(each.unit)} = ""    # {each.measure}: {each.values} values'


def _levels(draft: Draft) -> Iterator[str]:
    found = {table: draft.of(element) for table, (element, _) in _LEVELS.items()}
    needed = [table for table in _LEVELS if found[table]]
    if needed:
        yield "\n[systems]    # whose codes the tables below hold"
    for table in needed:
        own = (each.system for each in found[table] if each.system)
        yield f"# {table} = {_list(dict.fromkeys((*draft.base('systems', table), *own)))}"
    for table in needed:
        element, levels = _LEVELS[table]
        allowed = ", ".join(level for level in levels if level != "unknown")
        yield f"\n[{table}]    # {element} -> one of {allowed}"
        for code, group in _by_code(found[table]):
            yield f'# {_text(code)} = ""    # {"; ".join(map(_said, group))}'


def _payers(draft: Draft) -> Iterator[str]:
    found = draft.of("Coverage.type")
    if found:
        yield "\n# No profile sets these: Coverage.type is read by fhir_mapping/codelists/payers.csv."
        yield from map(_seen, found)


def _by_code(found: Iterable[UnmappedCode]) -> Iterator[tuple[str, list[UnmappedCode]]]:
    groups: dict[str, list[UnmappedCode]] = {}
    for each in found:
        groups.setdefault(each.code, []).append(each)
    yield from groups.items()


def _distinct(found: Iterable[UnmappedCode]) -> Iterable[str]:
    return dict.fromkeys(each.code for each in found)


def _seen(each: UnmappedCode) -> str:
    return f"# {_text(f'{each.system}|{each.code}')}    # {_said(each)}"


def _said(each: UnmappedCode) -> str:
    """Display and number of patients; it holds no line break, see tallies.shown."""
    return f"{each.display or 'no display'}: {each.patients} patients"


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _text(text: str) -> str:
    """A TOML string; what is not printable does not come here (tallies.shown)."""
    return json.dumps(text, ensure_ascii=False)

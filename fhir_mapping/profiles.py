"""Site profiles: what one site calls things, as TOML beside this file. No patient data here."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fhir_mapping.codelists import ICD9, ICD10, LOINC, loinc_measures
from fhir_mapping.errors import ProfileError
from fhir_mapping.history import Role
from fhir_mapping.when import When, parse_when

_FOLDER = files("fhir_mapping") / "profiles"
SHIPPED = ("us_core", "mimic", "synthea")
_CPT_LENGTH = 5


@dataclass(frozen=True)
class Profile:
    """One site's names. `tables` is the merged TOML; the properties say what is asked of it."""

    name: str
    tables: Mapping[str, Any]

    @cached_property
    def zone(self) -> ZoneInfo:
        """Where times without a zone and calendar dates are taken to be."""
        return ZoneInfo(self.tables["timezone"])

    @cached_property
    def measures(self) -> Mapping[tuple[str, str], str]:
        """(system, code) -> measure, for LOINC and the site's own codes."""
        codes = {(LOINC, code): measure for code, measure in loinc_measures().items()}
        for measure, tokens in self.tables["codes"].items():
            codes |= {split_token(token): measure for token in tokens}
        return codes

    @cached_property
    def icd_version(self) -> Mapping[str, str]:
        """Code system URI -> `icd10` or `icd9`."""
        own = self.tables["diagnosis"]
        ten = ICD10 | set(own["icd10_systems"])
        nine = ICD9 | set(own["icd9_systems"])
        return dict.fromkeys(ten, "icd10") | dict.fromkeys(nine, "icd9")

    @cached_property
    def icu_name(self) -> re.Pattern[str]:
        """A pattern that finds intensive care in a location's or class's name."""
        words = "|".join(re.escape(word) for word in self.encounter["icu_words"])
        return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)

    @property
    def encounter(self) -> Mapping[str, Any]:
        return self._table("encounter")

    @property
    def diagnosis(self) -> Mapping[str, Any]:
        return self._table("diagnosis")

    @cached_property
    def role_by_class(self) -> Mapping[str, Role]:
        own = self.encounter
        return dict.fromkeys(own["hospital_classes"], "hospital") | dict.fromkeys(
            own["ed_classes"], "ed"
        )

    @cached_property
    def row_procedures(self) -> Mapping[tuple[str, str], str]:
        """(system, code) of the procedure an ED value hangs on -> `triage` or `serial`."""
        own = self._table("vitals")
        return dict.fromkeys(map(split_token, own["triage_procedures"]), "triage") | dict.fromkeys(
            map(split_token, own["serial_procedures"]), "serial"
        )

    @property
    def ed_drugs_by_visit(self) -> bool:
        """Only drugs that name the ED visit as their context were given in it."""
        return bool(self._table("vitals")["ed_drugs_by_visit"])

    @property
    def plain_complaint_match(self) -> bool:
        """Complaint terms match anywhere, as the MIMIC-IV-ED benchmark does."""
        return bool(self._table("vitals")["plain_complaint_match"])

    @cached_property
    def summary_types(self) -> frozenset[str]:
        """`system|code` of the documents that are discharge summaries here."""
        return frozenset(self._table("notes")["discharge_summary"])

    def when(self, text: str | None) -> When | None:
        """A time as FHIR writes it, zone-less ones in the site's zone; None where it is none."""
        return parse_when(text, self.zone) if text else None

    def unit(self, spelling: str) -> str:
        """The UCUM code of a spelling the site uses; the spelling itself where none is listed."""
        return str(self._table("units").get(spelling, spelling))

    def level(self, table: str, system: str, code: str) -> str | None:
        """A category level by a code of a listed system, or of none: `disposition`, `arrival`..."""
        if system and system not in self._table("systems")[table]:
            return None
        found = self._table(table).get(code)
        return None if found is None else str(found)

    def is_procedure(self, system: str, code: str) -> bool:
        """True for a code on the site's procedure list (HOSPITAL score, P)."""
        own = self._table("procedure")
        if system in own["systems"]:
            return True
        numeric = system in own["cpt_systems"] and code.isdecimal() and len(code) == _CPT_LENGTH
        return numeric and own["cpt_low"] <= int(code) <= own["cpt_high"]

    def lists_procedures(self, system: str) -> bool:
        """True for a code system of which the site's list says what counts and what does not."""
        own = self._table("procedure")
        return system in own["systems"] or system in own["cpt_systems"]

    def _table(self, name: str) -> Mapping[str, Any]:
        table: Mapping[str, Any] = self.tables[name]
        return table


@cache
def load_profile(name: str) -> Profile:
    """A shipped profile by name, or a site's by the path of its TOML file.

    Raises ProfileError where there is none, or where it does not parse.
    """
    try:
        tables = _merged(name)
        ZoneInfo(tables["timezone"])  # fails here, not at the first patient
        return Profile(_read(name)["name"], tables)
    except (OSError, KeyError, ValueError, RecursionError) as odd:
        known = ", ".join(SHIPPED)
        raise ProfileError(f"site profile {name}: not one of {known}, nor a TOML file") from odd


def detect_profile(uris: Iterable[str]) -> Profile:
    """The profile whose prefixes the record's identifier systems and profiles carry."""
    seen = tuple(uris)
    for name in SHIPPED:
        prefixes = tuple(_read(name)["detect"]["prefixes"])
        if prefixes and any(uri.startswith(prefixes) for uri in seen):
            return load_profile(name)
    return load_profile("us_core")


def split_token(token: str) -> tuple[str, str]:
    """`system|code` as a pair."""
    system, _, code = token.partition("|")
    return system, code


@cache
def _read(name: str) -> dict[str, Any]:
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    return tomllib.loads(path.read_text("utf-8"))


def _merged(name: str) -> dict[str, Any]:
    own = _read(name)
    base = _merged(own["extends"]) if "extends" in own else {}
    return {key: _overlaid(base.get(key), own.get(key)) for key in base | own}


def _overlaid(base: Any, own: Any) -> Any:
    if isinstance(base, dict) and isinstance(own, dict):
        return base | own
    return base if own is None else own

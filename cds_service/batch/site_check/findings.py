"""What check-site.json holds. Counts, codes, units and times between events; never a value.

Documented key by key in docs/how-to/check-a-site.md (a test holds the two together).
"""

from dataclasses import dataclass

FORMAT = 1


@dataclass(frozen=True)
class BundleChecked:
    """The bundle that was asked whether it would score."""

    name: str
    version: str


@dataclass(frozen=True)
class ProfileUsed:
    """A site profile and how many patients were read with it."""

    name: str
    patients: int
    detected: bool


@dataclass(frozen=True)
class TypeSeen:
    """A resource type in the files; `used` where some feature can come from it."""

    type: str
    count: int
    used: bool


@dataclass(frozen=True)
class TypeNotRead:
    """A resource type that features ask for and that is not, or not whole, in the files."""

    type: str
    state: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Reason:
    """Why stays are left out or not scored; `missing` names what they lack."""

    reason: str
    missing: tuple[str, ...]
    stays: int


@dataclass(frozen=True)
class Stays:
    """`left_out`: finished hospital visits of which no stay can be made, by reason."""

    finished: int
    eligible: int
    scored: int
    not_scored: tuple[Reason, ...]
    left_out: tuple[Reason, ...]


@dataclass(frozen=True)
class GroupCoverage:
    """The known inputs of one group, over all finished stays, against the bundle's floor."""

    group: str
    inputs: int
    floor: float
    median_known: float
    below_floor: int


@dataclass(frozen=True)
class UnitSeen:
    """A unit as received."""

    unit: str
    stays: int
    patients: int


@dataclass(frozen=True)
class CodeSeen:
    """A code as received, with its commonest display."""

    system: str
    code: str
    display: str
    stays: int
    patients: int


@dataclass(frozen=True)
class Rejected:
    """Values that were set aside or corrected for one feature: in how many stays, how many."""

    code: str
    stays: int
    values: int


@dataclass(frozen=True)
class Lateness:
    """Hours from the newest evidence of a stay to its discharge, over stays."""

    median: float
    p90: float


@dataclass(frozen=True)
class FeatureFound:
    """One of the 105 features; found, nothing_there, unknown and missing add up to the finished
    stays. `issued_after_discharge`: stays of which some value was issued too late to be used."""

    name: str
    label: str
    group: str
    found: int
    nothing_there: int
    unknown: int
    missing: int
    hours_before_discharge: Lateness | None
    issued_after_discharge: int
    units: tuple[UnitSeen, ...]
    codes: tuple[CodeSeen, ...]
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class MeasuredUnit:
    """A unit in which a measure was received anywhere in the records, and whether it is understood."""

    measure: str
    unit: str
    understood: bool
    values: int
    patients: int


@dataclass(frozen=True)
class IssueSeen:
    """A data issue of whole records, not of one feature."""

    code: str
    resource: str
    count: int
    meaning: str


@dataclass(frozen=True)
class UnmappedCode:
    """A code that nothing maps; `local` where its system is no published standard."""

    element: str
    system: str
    code: str
    display: str
    local: bool
    count: int
    patients: int


@dataclass(frozen=True)
class NotListed:
    """What is not shown of an element: codes of too few patients, further ones, words alone."""

    element: str
    rare_codes: int
    rare_count: int
    further_codes: int
    without_code: int


@dataclass(frozen=True)
class TypeChecked:
    """Of one resource type: how many were validated in depth, how many are not valid FHIR R4."""

    type: str
    checked: int
    invalid: int


@dataclass(frozen=True)
class DeepError:
    """A kind of error at a path, and in how many of the resources checked."""

    type: str
    path: str
    error: str
    resources: int


@dataclass(frozen=True)
class DeepCheck:
    """Validation of a sample against the whole of FHIR R4."""

    each_type: int
    types: tuple[TypeChecked, ...]
    errors: tuple[DeepError, ...]


@dataclass(frozen=True)
class SiteCheck:
    """The whole of it."""

    format: int
    made_on: str
    least_patients: int
    bundle: BundleChecked
    profiles: tuple[ProfileUsed, ...]
    files: int
    patients: int
    patients_left_out: int
    resources: tuple[TypeSeen, ...]
    not_read: tuple[TypeNotRead, ...]
    stays: Stays
    coverage: tuple[GroupCoverage, ...]
    features: tuple[FeatureFound, ...]
    units: tuple[MeasuredUnit, ...]
    issues: tuple[IssueSeen, ...]
    unmapped: tuple[UnmappedCode, ...]
    not_listed: tuple[NotListed, ...]
    deep_check: DeepCheck

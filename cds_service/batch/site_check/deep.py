"""Validation of a sample of resources against the whole of FHIR R4. Paths and kinds, no values.

The sample of a type are the resources with the smallest digests: it does not depend on their order
or on how they are spread over files.
"""

import hashlib
import re
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import msgspec
from pydantic import ValidationError

from cds_service.batch.site_check.findings import DeepCheck, DeepError, TypeChecked
from fhir_mapping.resources import KNOWN_TYPES, type_of
from fhir_mapping.subjects import subject_of_malformed

NO_TYPE = "unknown"
_ELEMENT = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}(\[x\])?")
_UNKNOWN_ELEMENT = "(unknown element)"
_MOST_ERRORS = 200


@dataclass
class Sample:
    """Up to `each_type` resources of each type, with how many there are of each."""

    each_type: int
    counts: Counter[str] = field(default_factory=Counter)
    kept: dict[str, list[tuple[bytes, bytes]]] = field(default_factory=dict)

    def consider(self, raw: bytes | msgspec.Raw) -> None:
        """Count a resource, and keep it if its turn is before another's."""
        name = known_type(type_of(raw))
        self.counts[name] += 1
        if not self.each_type or name == NO_TYPE:
            return
        held, content = self.kept.setdefault(name, []), bytes(raw)
        digest = hashlib.blake2b(content, digest_size=16).digest()
        if len(held) < self.each_type or digest < held[-1][0]:
            insort(held, (digest, content))
            del held[self.each_type :]


@lru_cache(maxsize=1024)
def known_type(name: str) -> str:
    """The name where it is a resource type of FHIR R4; else `unknown`: it may be anything."""
    return name if name in KNOWN_TYPES or _is_resource(name) else NO_TYPE


@dataclass(frozen=True)
class Fault:
    """One error: where, of which kind; `named` is the record's own name for an element."""

    path: str
    kind: str
    named: str = ""


Checked = tuple[str, str, frozenset[Fault]]
"""Type, patient, errors of one resource."""


def deep_check(sample: Sample) -> Iterator[Checked]:
    """Each resource of the sample, validated."""
    for name in sorted(sample.kept):
        for _, content in sample.kept[name]:
            yield name, subject_of_malformed(content), frozenset(_faults(name, content))


def summed(each_type: int, checked: Iterable[Checked], least: int) -> DeepCheck:
    """The errors of a sample, commonest first. An element that FHIR does not know is named where
    it occurs with `least` patients."""
    done: Counter[str] = Counter()
    invalid: Counter[str] = Counter()
    errors: dict[tuple[str, Fault], list[str]] = {}
    for name, patient, faults in checked:
        done[name] += 1
        invalid[name] += bool(faults)
        for fault in faults:
            errors.setdefault((name, fault), []).append(patient)
    counts: Counter[tuple[str, str, str]] = Counter()
    for (name, fault), patients in errors.items():
        path = f"{fault.path}{_named(fault, len(set(patients)) >= least)}"
        counts[name, path, fault.kind] += len(patients)
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_ERRORS]
    return DeepCheck(
        each_type=each_type,
        types=tuple(TypeChecked(name, done[name], invalid[name]) for name in sorted(done)),
        errors=tuple(DeepError(*which, resources=count) for which, count in order),
    )


def _named(fault: Fault, shared: bool) -> str:
    return (fault.named if shared else _UNKNOWN_ELEMENT) if fault.named else ""


def _faults(name: str, content: bytes) -> Iterator[Fault]:
    try:
        _model(name).model_validate(msgspec.json.decode(content))
    except ValidationError as invalid:
        for error in invalid.errors(include_input=False, include_context=False, include_url=False):
            yield _fault(error["loc"], error["type"])
    except Exception:  # the validator itself raises KeyError, RecursionError and more
        yield Fault("", "not_validated")


def _fault(place: tuple[int | str, ...], kind: str) -> Fault:
    """By element names; what the record itself named is kept apart."""
    steps = [_step(step) for step in place if not isinstance(step, int)]
    if kind != "extra_forbidden" or not steps:
        return Fault(".".join(steps), kind)
    return Fault("".join(f"{step}." for step in steps[:-1]), kind, steps[-1])


def _step(step: str) -> str:
    return step if _ELEMENT.fullmatch(step) else "?"


@cache
def _model(name: str) -> Any:
    # a quarter of a second to import: paid here, not by every start
    from fhir.resources.R4B import get_fhir_model_class

    return get_fhir_model_class(name)


def _is_resource(name: str) -> bool:
    from fhir.resources.R4B.resource import Resource

    try:
        return issubclass(_model(name), Resource)
    except (ValueError, TypeError):
        return False

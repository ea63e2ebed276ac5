"""Quantities into the catalogue's units, by UCUM (ucumvert on pint). Knows no feature.

An unknown or unfitting unit converts to nothing: it is never guessed. Between mass and amount
of substance the analyte's molar mass is needed.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from lark.exceptions import LarkError
from pint import Quantity
from pint.errors import PintError
from ucumvert import InvalidUcumError, PintUcumRegistry

from fhir_mapping.errors import UnitError

MOLAR_MASS = {"hemoglobin": 16114.5, "sodium": 22.98977}
"""g/mol. Haemoglobin as its monomer, as LOINC 59260-0 and 30313-1 reports take it (1 mmol/L =
1.6114 g/dL); sodium from the IUPAC standard atomic weight."""

_LONGEST = 32
_EXCESSIVE = re.compile(r"\d{5}")
"""No unit has such an exponent; the library would work on `10*999999999` for minutes."""
_COUNTING = frozenset(("", "1", "{score}", "{level}", "{count}"))
_REFUSED = (LarkError, PintError, InvalidUcumError, ValueError, TypeError, AttributeError, KeyError)

Conversion = Callable[[float], float]


@cache
def _registry() -> PintUcumRegistry:
    return PintUcumRegistry()


@lru_cache(maxsize=4096)
def conversion(received: str, wanted: str, analyte: str = "") -> Conversion | None:
    """A function from `received` to `wanted`, both UCUM codes; None where there is none.

    `analyte` names the entry of MOLAR_MASS by which mass becomes amount of substance and back.
    Raises UnitError where `wanted` itself, a unit of ours, cannot be read.
    """
    if received == wanted:
        return _same
    if wanted in _COUNTING:
        return _same if received in _COUNTING else None
    target = _unit(wanted)
    if target is None:
        raise UnitError(f"{wanted}: not a UCUM unit; correct the catalogue")
    source = _unit(received) if 0 < len(received) <= _LONGEST else None
    return None if source is None else _affine(source, target, analyte)


def _same(value: float) -> float:
    return value


def _unit(code: str) -> Quantity[Any] | None:
    if _EXCESSIVE.search(code):
        return None
    try:
        unit = _registry().from_ucum(code)
    except _REFUSED:
        return None
    return unit if isinstance(unit, Quantity) else None


def _affine(source: Quantity[Any], target: Quantity[Any], analyte: str) -> Conversion | None:
    """All clinical conversions are straight lines: two points fix one."""
    try:
        at_hundred, at_two = (_convert(x, source, target, analyte) for x in (100.0, 200.0))
    except (PintError, ArithmeticError):
        return None
    slope = (at_two - at_hundred) / 100.0
    offset = round(at_hundred - slope * 100.0, 9)
    return lambda value: round(value * slope + offset, 6)


def _convert(value: float, source: Quantity[Any], target: Quantity[Any], analyte: str) -> float:
    quantity = _registry().Quantity(value * source.magnitude, source.units)
    if analyte in MOLAR_MASS and source.dimensionality != target.dimensionality:
        quantity = quantity.to(target.units, "chemistry", mw=_molar(analyte))
    return float(quantity.to(target.units).magnitude / target.magnitude)


def _molar(analyte: str) -> Quantity[Any]:
    registry = _registry()
    molar: Quantity[Any] = registry.Quantity(MOLAR_MASS[analyte], "g/mol")
    return molar

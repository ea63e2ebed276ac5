"""The measures that features read: codes, plausible values, and units with their arithmetic.

The arithmetic is written out here, by definition of each unit, not taken from the product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LOINC = "http://loinc.org"
_MMHG_PER_KPA = 1000 / 133.322387415
_HB_G_PER_MMOL = 16.1145

Function = Callable[[float], float]


@dataclass(frozen=True)
class Unit:
    """A unit beside the first of its measure: how values go there and back."""

    code: str
    away: Function
    back: Function


@dataclass(frozen=True)
class Measure:
    """`codes` of one measure and its plausible values in the first of `units`."""

    codes: tuple[str, ...]
    low: float
    high: float
    units: tuple[Unit, ...]
    step: float = 1.0


def _same(code: str) -> Unit:
    return Unit(code, float, float)


def _scaled(code: str, factor: float) -> Unit:
    return Unit(code, lambda value: value * factor, lambda value: value / factor)


_PRESSURE = (_same("mm[Hg]"), _same("mmHg"), _scaled("kPa", 1 / _MMHG_PER_KPA))
_RATE = (_same("/min"), _same("{beats}/min"), _scaled("/h", 60), _scaled("Hz", 1 / 60))
MEASURES = {
    "temperature": Measure(
        ("8310-5", "8331-1", "8332-9", "8333-7"),
        34.0,
        41.0,
        (
            _same("Cel"),
            Unit("[degF]", lambda c: c * 9 / 5 + 32, lambda f: (f - 32) * 5 / 9),
            Unit("K", lambda c: c + 273.15, lambda k: k - 273.15),
        ),
        0.1,
    ),
    "heart_rate": Measure(("8867-4",), 35, 170, _RATE),
    "respiratory_rate": Measure(("9279-1",), 6, 45, _RATE),
    "oxygen_saturation": Measure(
        ("59408-5", "2708-6"), 70, 100, (_same("%"), _scaled("1", 0.01), _scaled("[ppth]", 10))
    ),
    "systolic": Measure(("8480-6",), 70, 220, _PRESSURE),
    "diastolic": Measure(("8462-4",), 35, 120, _PRESSURE),
    "hemoglobin": Measure(
        ("718-7", "20509-6", "59260-0"),
        6.0,
        18.0,
        (
            _same("g/dL"),
            _scaled("g/L", 10),
            _scaled("mg/dL", 1000),
            _scaled("mmol/L", 10 / _HB_G_PER_MMOL),
        ),
        0.1,
    ),
    "sodium": Measure(
        ("2951-2", "2947-0"), 115, 160, (_same("mmol/L"), _same("meq/L"), _same("mEq/L"))
    ),
}
_MEASURE_OF = {code: measure for measure in MEASURES.values() for code in measure.codes}


def in_other_unit(part: dict[str, Any], turn: int) -> dict[str, Any]:
    """An Observation or component with its quantity in another unit of its measure."""
    quantity, measure = part.get("valueQuantity"), _measure(part)
    changed = dict(part)
    if "component" in part:
        changed["component"] = [in_other_unit(each, turn) for each in part["component"]]
    if not (quantity and measure and "comparator" not in quantity):
        return changed
    names = [unit.code for unit in measure.units]
    if quantity.get("code") not in names or "value" not in quantity:
        return changed
    received = measure.units[names.index(quantity["code"])]
    wanted = measure.units[turn % len(names)]
    value = wanted.away(received.back(quantity["value"]))
    changed["valueQuantity"] = quantity | {"value": value, "code": wanted.code}
    return changed


def _measure(part: dict[str, Any]) -> Measure | None:
    codings = part.get("code", {}).get("coding", [])
    return next((_MEASURE_OF[c["code"]] for c in codings if c.get("code") in _MEASURE_OF), None)

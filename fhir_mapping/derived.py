"""Features that are functions of other features. Plain arithmetic; missing in, missing out.

The bins of the early-warning scores are written as METHOD.md has them; a value between two bins
belongs to the lower one. Sources: CART Churpek 2012 (Crit Care Med 40:2102), REMS Olsson 2004
(J Intern Med 255:579) without the coma scale, NEWS RCP 2012 and NEWS2 RCP 2017 without oxygen and
consciousness, MEWS Subbe 2001 (QJM 94:521) without AVPU, Charlson weights as Charlson 1987 with
the categories of Quan 2005.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping

_ITEM = re.compile(r"\s*(<=|>=|<|>)?\s*(-?[\d.]+)(?:-[\d.]+)?\s+(\d+)\s*")

Bins = Callable[[float], int]
Known = Mapping[str, float]


def bins(written: str) -> Bins:
    """`"<21 0, 21-23 8, >29 22"`, in ascending order, as a step function."""
    edges: list[float] = []
    points: list[int] = []
    for item in written.split(","):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise ValueError(f"not a bin: {item}")
        sign, bound = found[1], float(found[2])
        lowest = sign in ("<", "<=")
        edges.append(
            -math.inf if lowest else math.nextafter(bound, math.inf) if sign == ">" else bound
        )
        points.append(int(found[3]))
    return lambda value: points[bisect_right(edges, value) - 1]


CART = {
    "triage_resprate": bins("<21 0, 21-23 8, 24-25 12, 26-29 15, >29 22"),
    "triage_heartrate": bins("<110 0, 110-139 4, >139 13"),
    "triage_dbp": bins("<35 13, 35-39 6, 40-49 4, >49 0"),
    "age": bins("<55 0, 55-69 4, >69 9"),
}
REMS = {
    "age": bins("<45 0, 45-54 2, 55-64 3, 65-74 5, >74 6"),
    "triage_map": bins("<50 4, 50-69 2, 70-109 0, 110-129 2, 130-159 3, >159 4"),
    "triage_heartrate": bins("<40 4, 40-54 3, 55-69 2, 70-109 0, 110-139 2, 140-179 3, >179 4"),
    "triage_resprate": bins("<6 4, 6-9 2, 10-11 1, 12-24 0, 25-34 1, 35-49 3, >49 4"),
    "triage_o2sat": bins("<75 4, 75-85 3, 86-89 1, >89 0"),
}
NEWS2 = {
    "triage_resprate": bins("<=8 3, 9-11 1, 12-20 0, 21-24 2, >=25 3"),
    "triage_temperature": bins("<=35.0 3, 35.1-36.0 1, 36.1-38.0 0, 38.1-39.0 1, >=39.1 2"),
    "triage_sbp": bins("<=90 3, 91-100 2, 101-110 1, 111-219 0, >=220 3"),
    "triage_heartrate": bins("<=40 3, 41-50 1, 51-90 0, 91-110 1, 111-130 2, >=131 3"),
}
NEWS = NEWS2 | {"triage_o2sat": bins("<=91 3, 92-93 2, 94-95 1, >=96 0")}
MEWS = {
    "triage_sbp": bins("<=70 3, 71-80 2, 81-100 1, 101-199 0, >=200 2"),
    "triage_heartrate": bins("<=40 2, 41-50 1, 51-100 0, 101-110 1, 111-129 2, >=130 3"),
    "triage_resprate": bins("<9 2, 9-14 0, 15-20 1, 21-29 2, >=30 3"),
    "triage_temperature": bins("<35 2, 35-38.4 0, >=38.5 2"),
}
_CHARLSON = {
    "cci_mi": 1,
    "cci_chf": 1,
    "cci_pvd": 1,
    "cci_stroke": 1,
    "cci_dementia": 1,
    "cci_pulmonary": 1,
    "cci_rheumatic": 1,
    "cci_pud": 1,
    "cci_liver_mild": 1,
    "cci_diabetes_uncomplicated": 1,
    "cci_diabetes_complicated": 2,
    "cci_paralysis": 2,
    "cci_renal": 2,
    "cci_cancer": 2,
    "cci_liver_severe": 3,
    "cci_cancer_metastatic": 6,
    "cci_hiv": 6,
}
_REPLACES = {
    "cci_liver_severe": "cci_liver_mild",
    "cci_diabetes_complicated": "cci_diabetes_uncomplicated",
    "cci_cancer_metastatic": "cci_cancer",
}
_CHARLSON_AGE = bins("<50 0, 50-59 1, 60-69 2, 70-79 3, >=80 4")


def mean_arterial_pressure(known: Known) -> float:
    """mm[Hg], from `triage_sbp` and `triage_dbp`."""
    return round(known["triage_sbp"] / 3 + 2 * known["triage_dbp"] / 3, 6)


def charlson(known: Known) -> float:
    """With age points; the severe form replaces the mild one."""
    present = {name for name in _CHARLSON if known[name]}
    present -= {mild for severe, mild in _REPLACES.items() if severe in present}
    return float(sum(_CHARLSON[name] for name in present) + _CHARLSON_AGE(known["age"]))


def _sum_of(table: Mapping[str, Bins]) -> Callable[[Known], float]:
    return lambda known: float(sum(points(known[name]) for name, points in table.items()))


FUNCTIONS: Mapping[str, Callable[[Known], float]] = {
    "mean_arterial_pressure": mean_arterial_pressure,
    "charlson": charlson,
    "cart": _sum_of(CART),
    "rems": _sum_of(REMS),
    "news": _sum_of(NEWS),
    "news2": _sum_of(NEWS2),
    "mews": _sum_of(MEWS),
}
INPUTS: Mapping[str, tuple[str, ...]] = {
    "mean_arterial_pressure": ("triage_sbp", "triage_dbp"),
    "charlson": ("age", *_CHARLSON),
    "cart": tuple(CART),
    "rems": tuple(REMS),
    "news": tuple(NEWS),
    "news2": tuple(NEWS2),
    "mews": tuple(MEWS),
}
"""What each function needs; missing when one of these is."""

"""check-site.html: one page that stands alone. No script, no network; same findings, same bytes."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from cds_service.batch.site_check.findings import FeatureFound, SiteCheck
from cds_service.hooks.wording import GROUPS, REASONS

PAGE = "check-site.html"
_TEMPLATES = Path(__file__).parent
_DAY = 24.0
_NAMED = 6


def page_html(findings: SiteCheck) -> str:
    """The page."""
    return _template().render(
        found=findings,
        warnings=warnings(findings),
        groups=_grouped(findings),
        words=GROUPS,
        reasons=REASONS,
        hours=hours,
        share=share,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(PAGE)


def warnings(findings: SiteCheck) -> list[str]:
    """What an integration engineer should look at first."""
    said = list(_of_stays(findings))
    said += [
        f"{each.type} was {each.state.replace('_', ' ')}, so these are missing where nothing says"
        f" them: {_some(each.features)}."
        for each in findings.not_read
    ]
    said += [
        f"{each.measure} came in {each.values} values with the unit"
        f" {each.unit or '(none)'}, which is not understood: they are discarded."
        for each in findings.units
        if not each.understood
    ]
    return said


def _of_stays(findings: SiteCheck) -> list[str]:
    stays = findings.stays
    if not stays.finished:
        return [
            "No finished stay in hospital was found: look at the encounter classes below and at"
            " [encounter] in the draft profile."
        ]
    left_out = findings.patients_left_out
    said = [f"{left_out} patients have no Patient resource of their own."] if left_out else []
    never = [each.label for each in findings.features if each.nothing_there == stays.finished]
    if never:
        said.append(f"Read, and not there in any stay: {_some(never)}. Are the codes mapped?")
    return said


def _some(names: Sequence[str]) -> str:
    """The first of many; the tables have all."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def hours(value: float) -> str:
    """`5.5 h` or `12 d`."""
    return f"{value:.1f} h" if value < 2 * _DAY else f"{value / _DAY:.0f} d"


def share(part: int, whole: int) -> str:
    """A share in percent; nothing of nothing is said so."""
    return f"{100 * part / whole:.0f} %" if whole else "none"


def _grouped(findings: SiteCheck) -> Mapping[str, list[FeatureFound]]:
    groups: dict[str, list[FeatureFound]] = {}
    for each in findings.features:
        groups.setdefault(each.group, []).append(each)
    return groups

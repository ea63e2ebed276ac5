"""Pages of what is read and asked for: the 105 features, issues of the data, prefetch."""

from cds_service.hooks.call import HOOKS
from docs.page import page, table
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.emergency import features_known_at
from fhir_mapping.issues import ISSUES
from fhir_mapping.prefetch import PREFETCH, prefetch_templates, templates
from fhir_mapping.profiles import load_profile


def features() -> str:
    """The catalogue, for readers."""
    rows = [
        (
            str(number),
            f"`{each.name}`",
            each.label,
            _range(each),
            each.window,
            each.reduce,
            ", ".join(each.sources),
            each.coverage_group,
            each.definition,
        )
        for number, each in enumerate(CATALOGUE, start=1)
    ]
    head = ("", "name", "label", "values", "window", "how", "rests on", "group", "definition")
    text = (
        "In the order of the vector. A value is missing where nothing says it; a zero is a finding"
        " only where all that it rests on was read. Windows are defined in"
        " `fhir_mapping/windows.py`, ways to reduce in `fhir_mapping/extract.py`.\n"
    )
    return page("The 105 features", text, table(head, rows))


def issues() -> str:
    """The codes of data issues."""
    rows = [(f"`{code}`", meaning) for code, meaning in sorted(ISSUES.items())]
    text = "What is noticed about the data is counted under these codes; no value is kept.\n"
    return page("Data issues", text, table(("code", "meaning"), rows))


def prefetch() -> str:
    """What each hook asks the client to send."""
    in_ed = templates(load_profile("us_core"), features_known_at("ed_departure"))
    asked = {hook: in_ed if hook == "encounter-start" else PREFETCH for hook in HOOKS}
    parts = [
        f"## `{hook}`\n\n"
        + table(
            ("key", "query"),
            [(f"`{key}`", f"`{query}`") for key, query in prefetch_templates(hook, each).items()],
        )
        for hook, each in asked.items()
    ]
    text = (
        "Derived from the catalogue, for bundles that take all the features of their task;"
        " `encounter-start` is for bundles of critical_outcome. A bundle that takes fewer asks for"
        " less: `GET /cds-services` says what.\n"
    )
    return page("Prefetch", text, "\n".join(parts))


def _range(feature: Feature) -> str:
    if feature.levels:
        return ", ".join(feature.levels)
    if feature.kind == "binary":
        return "0, 1"
    low = f"{'> ' if feature.positive else ''}{feature.low:g}" if feature.low is not None else ""
    high = f"{feature.high:g}" if feature.high is not None else ""
    return f"{low} to {high} {feature.unit}"

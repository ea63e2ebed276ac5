"""The page of one assessment, as HTML: `page`; a resource as received: `received`; `model_card`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cds_service.hooks.feedback import LONGEST_COMMENT
from cds_service.hooks.override_reasons import OVERRIDE_REASONS
from cds_service.hooks.task_wording import wording_of
from cds_service.smart.view import words
from cds_service.smart.view.banner import banner_of
from cds_service.smart.view.counted import counted
from cds_service.smart.view.differing import differing
from cds_service.smart.view.history import history_of
from cds_service.smart.view.inputs import input_groups
from cds_service.smart.view.looked import looked_at
from cds_service.smart.view.moves import moves_of
from cds_service.smart.view.result import result_of
from cds_service.smart.view.stored import Stored, printable
from cds_service.smart.view.unseen import unseen_of
from model.bundle import Bundle

HERE = Path(__file__).resolve().parents[1]
STATIC: Mapping[str, str] = {"app.css": "text/css", "icon.svg": "image/svg+xml"}
"""The static files of the app, and what each is."""
_SHORT_DIGEST = 12
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Facts:
    """What a page knows of its session. `home` is the path that its links and forms begin with and
    ends with a slash; empty: relative to the page. `denied`, `narrowed`: FHIR resource types."""

    organisation: str
    csrf: str
    home: str = ""
    static: str = "/smart/static/"
    denied: tuple[str, ...] = ()
    narrowed: tuple[str, ...] = ()
    needs_banner: bool = False
    silent: bool = False


@dataclass(frozen=True)
class PageView:
    """`rows`: those of the patient, oldest first, the shown one among them. `before`: an earlier
    assessment beside which this one is shown. `said`: one sentence on what was just done."""

    stored: Stored
    facts: Facts
    rows: Sequence[Mapping[str, Any]] = ()
    before: Stored | None = None
    said: str | None = None


def page(view: PageView) -> str:
    """The whole page. Of a silent tenant it says so, and nothing of the assessment."""
    if view.facts.silent:
        return silent_page(view.facts)
    stored, facts = view.stored, view.facts
    return TEMPLATES.get_template("assessment.html").render(
        words=words,
        facts=facts,
        said=view.said,
        banner=banner_of(stored) if facts.needs_banner else None,
        result=result_of(stored),
        moves=moves_of(stored),
        looked=looked_at(stored),
        inputs=input_groups(stored),
        no_inputs=_no_inputs(stored),
        unseen=unseen_of(stored, facts.denied, facts.narrowed),
        scores=counted(stored),
        history=history_of(stored, view.rows),
        differing=differing(view.before, stored) if view.before else None,
        row=stored.row,
        about=_about(stored),
        row_loaded=stored.bundle is not None,
        limits=stored.words.limits,
        time_critical=stored.task == "critical_outcome",
        reasons=OVERRIDE_REASONS,
        longest_comment=LONGEST_COMMENT,
    )


def silent_page(facts: Facts) -> str:
    """What a site sees that runs silently."""
    return TEMPLATES.get_template("silent.html").render(words=words, facts=facts)


def received(facts: Facts, reference: str, resource: Any, *, back: str) -> str:
    """A resource as it was received. `back`: the address of the page that led here."""
    kind = printable(reference.partition("/")[0])
    written = json.dumps(resource, indent=2, ensure_ascii=False)
    lines = "\n".join(printable(line) if line.strip() else "" for line in written.split("\n"))
    template = TEMPLATES.get_template("received.html")
    return template.render(facts=facts, kind=kind, written=lines, back=back)


def model_card(facts: Facts, bundle: Bundle, card: str) -> str:
    """The bundle's model card as it was written, after its intended use."""
    return TEMPLATES.get_template("model_card.html").render(
        facts=facts,
        manifest=bundle.manifest,
        digest=bundle.digest[:_SHORT_DIGEST],
        limits=wording_of(bundle).limits,
        card=card,
    )


def _about(stored: Stored) -> str:
    bundle, row = stored.bundle, stored.row
    digest = row["bundle_digest"][:_SHORT_DIGEST]
    if bundle is None:
        return f"Made by {digest}, which is no longer loaded."
    manifest, vector = bundle.manifest, stored.vector
    said = f"{manifest.title}, version {manifest.version}, {digest}."
    if vector is None:
        return said
    how = "detected from the data" if vector.profile_detected else "as set"
    return f"{said} Read with the site profile {vector.profile}, {how}."


def _no_inputs(stored: Stored) -> str | None:
    """Why there are no inputs to show."""
    if stored.vector is not None:
        return None
    if stored.contents is None:
        return words.PURGED
    return words.OTHER_CATALOGUE if stored.contents.values else words.NEVER_READ

"""`readmit check-site`: does a site's data fit, before go-live. No service, no network, no values."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import track

from cds_service.assessment import Assessor
from cds_service.batch.arrived import Arrived
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.scoring import Choice
from cds_service.batch.site_check.checking import Asked, check
from cds_service.batch.site_check.draft import draft_profile
from cds_service.batch.site_check.findings import SiteCheck
from cds_service.batch.site_check.page import PAGE, page_html, warnings
from cds_service.batch.sources.arriving import Wanted, arrive
from cds_service.batch.whose import tenant_named
from cds_service.dependencies import system_clock
from cds_service.environment import settings_from
from cds_service.errors import ServiceError
from cds_service.services import offered
from cds_service.settings import READMISSION, Settings
from fhir_mapping.errors import ExportError, MappingError
from fhir_mapping.profiles import load_profile

NUMBERS, DRAFT = "check-site.json", "draft-profile.toml"
LEAST = 5
_SHIPPED: Path = Settings.model_fields["bundles"].default[READMISSION]
_console = Console(stderr=True)


def check_site_command(
    source: Annotated[str, typer.Option("--from", help="A source as `readmit score` takes it.")],
    out: Annotated[Path, typer.Option(help="Folder for the page, the numbers and the draft.")],
    profile: Annotated[
        str | None,
        typer.Option(help="Site profile, or its TOML file; else detected for each patient."),
    ] = None,
    bundle: Annotated[
        Path, typer.Option(help="Bundle whose floors and inputs are predicted for.")
    ] = _SHIPPED,
    least_patients: Annotated[
        int, typer.Option(min=2, help="Show a code or unit only where so many patients share it.")
    ] = LEAST,
    sample: Annotated[
        int, typer.Option(min=0, help="Resources of each type to validate in depth.")
    ] = 100,
    tenant: Annotated[str | None, typer.Option(help="Whose patients; needed with tenants.")] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder for what a server gives: it holds patients' data.")
    ] = None,
) -> None:
    """Check before go-live how a site's data fit: coverage, units, codes, what is rejected."""
    try:
        _check_out(Path(source), out)
        site = load_profile(profile) if profile else None
        asked = Asked(_assessor(bundle), site, least_patients, sample, system_clock())
        arrived = _arrived(source, tenant, run, asked)
        findings, used = check(arrived, asked, _track)
        draft = draft_profile(findings, used, profile or used.name)
        _write(out, findings, draft)
    except (MappingError, ServiceError) as wrong:
        _console.print(f"check-site: {wrong}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    _report(findings, out)


def _arrived(source: str, tenant: str | None, run: Path | None, asked: Asked) -> Arrived:
    """Every finished stay of the source, whenever it was. Raises BatchError or StartRefusedError."""
    settings = settings_from({})
    folder = RunFolder(run or Path("runs") / f"check-{asked.now:%Y%m%d-%H%M%S}")
    wanted = Wanted(Choice("finished"), asked.assessor.rules.role)
    whose = tenant_named(settings, tenant)
    return asyncio.run(arrive(source, wanted, whose, settings, folder.received, system_clock))


def _assessor(folder: Path) -> Assessor:
    return offered({READMISSION: folder}, ())[READMISSION].assessor


def _track(things: Iterable[Any], words: str, total: int) -> Iterable[Any]:
    """A bar where somebody looks; its threads are no use to a file or a pipe."""
    if not _console.is_terminal:
        return things
    return track(things, words, total=total, console=_console, transient=True)


def _check_out(source: Path, out: Path) -> None:
    """The results must not be read as patients next time."""
    if out.exists() and not out.is_dir():
        raise ExportError(f"--out {out}: is a file; name a folder")
    inside = source.is_dir() and source.resolve() in (out.resolve(), *out.resolve().parents)
    if inside:
        raise ExportError(f"--out {out}: lies in the folder that is read; name one outside it")


def _write(out: Path, findings: SiteCheck, draft: str) -> None:
    """All files or none."""
    encoded = msgspec.json.format(msgspec.json.encode(findings), indent=1) + b"\n"
    written = {PAGE: page_html(findings).encode(), NUMBERS: encoded, DRAFT: draft.encode()}
    drafts = {out / f".{name}.part": out / name for name in written}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for part, final in drafts.items():
            part.write_bytes(written[final.name])
        for part, final in drafts.items():
            part.replace(final)
    except OSError as failed:
        raise ExportError(f"--out {out}: cannot be written; check folder and space") from failed
    finally:
        for part in drafts:
            if part.exists():
                part.unlink()


def _report(findings: SiteCheck, out: Path) -> None:
    stays, deep = findings.stays, findings.deep_check.types
    _say(
        f"{findings.patients} patients, {stays.finished} finished stays, {stays.eligible} in the"
        f" population, {stays.scored} would be scored by {findings.bundle.name}"
    )
    for each in stays.not_scored:
        missing = f" ({', '.join(each.missing)})" if each.missing else ""
        _say(f"  {each.stays:6d}  not scored: {each.reason}{missing}")
    for warning in warnings(findings):
        _say(f"  ! {warning}")
    _say(
        f"{len(findings.unmapped)} codes listed that nothing maps;"
        f" {sum(each.invalid for each in deep)} of {sum(each.checked for each in deep)} resources"
        " of the sample are not valid FHIR R4"
    )
    _say(f"Written: {', '.join(str(out / name) for name in (PAGE, NUMBERS, DRAFT))}")


def _say(text: str) -> None:
    _console.print(text, markup=False, highlight=False, soft_wrap=True)

"""Synthetic inpatient stays with discharge summaries, from the open generator clinosim, offline.

For demonstrations and tests of the machinery: its readmissions follow its own rules and its notes
its templates, so that no figure on them says anything of real patients. Needs the extra `train`.
"""

import contextlib
import gzip
import importlib
import importlib.metadata
import importlib.util
import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec

from training.errors import InputError, RunError, SettingError
from training.subjects import Progress
from training.writing import writable

KEPT = (
    "Patient", "Encounter", "Condition", "Observation", "MedicationRequest",
    "MedicationAdministration", "Procedure", "Coverage", "Location", "Composition",
)  # fmt: skip
_SITE_OWN = frozenset(("Location", "Organization", "Practitioner"))
"""The same in every seed: the one hospital."""
_SCRATCH = ".being-made-"
_SUMMARY = "18842-5"
_TASKS = ["discharge_summary", "death_discharge_summary"]


@dataclass(frozen=True)
class SyntheticSettings:
    """`people` live around the hospital in each seed's run of `start` to `end`; about 7 inpatient
    stays a year come of 100. Raises SettingError."""

    people: int = 2_000
    seeds: tuple[int, ...] = (101, 102)
    start: str = "2025-01-01"
    end: str = "2025-12-31"

    def __post_init__(self) -> None:
        if self.people < 1 or not self.seeds or len({*self.seeds}) < len(self.seeds):
            problem = "there must be people, and seeds that are not equal"
            raise SettingError("synthetic stays", problem, "Give people >= 1 and distinct seeds")


def generate(
    out: Path, settings: SyntheticSettings, progress: Progress, *, workers: int = 1
) -> Path:
    """Write `out/seed-<n>/<type>.ndjson.gz` for each seed and return `out`, a FHIR export.

    Only people with an inpatient stay are kept, with all of their encounters. A seed's folder is
    whole or not there: run again, the missing ones are made. Ids carry their seed. Raises
    InputError without clinosim, RunError where the folder cannot be used.
    """
    if importlib.util.find_spec("clinosim") is None:
        raise InputError("clinosim", "is not installed", "Install the extra `train`")
    with writable(out):
        out.mkdir(parents=True, exist_ok=True)
    _claim(out, settings)
    for stale in out.glob(f"{_SCRATCH}*"):
        shutil.rmtree(stale, ignore_errors=True)  # of a run that was ended from outside
    missing = [seed for seed in settings.seeds if not _folder(out, seed).is_dir()]
    done = len(settings.seeds) - len(missing)
    for _ in _made(out, settings, missing, min(workers, len(missing))):
        done += 1
        progress("Generate synthetic stays", done, len(settings.seeds))
    return out


def _claim(out: Path, settings: SyntheticSettings) -> None:
    """Seeds made with other settings are not mixed with these."""
    path = out / "settings.txt"
    made_by = f"clinosim {importlib.metadata.version('clinosim')}"
    mine = f"{made_by} people={settings.people} start={settings.start} end={settings.end}\n"
    with writable(path):
        if not path.is_file():
            path.write_text(mine, "utf-8")
        if path.read_text("utf-8") != mine:
            raise RunError(out, "it holds stays of other settings", "Name another folder")


def _made(
    out: Path, settings: SyntheticSettings, seeds: Sequence[int], workers: int
) -> Iterator[None]:
    if workers <= 1:
        for seed in seeds:
            _make_seed(out, settings, seed)
            yield
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_make_seed, out, settings, seed) for seed in seeds]
        try:
            for finished in as_completed(waiting):
                finished.result()
                yield
        except BrokenProcessPool as died:
            remedy = "Give fewer workers or people, then run again: finished seeds are kept"
            raise RunError(out, "a generating process was ended from outside", remedy) from died


def _make_seed(out: Path, settings: SyntheticSettings, seed: int) -> None:
    folder = _folder(out, seed)
    with (
        writable(folder),
        tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=out) as scratch,
    ):
        fhir = _simulated(Path(scratch), settings, seed)
        draft = Path(scratch) / folder.name
        draft.mkdir()
        for kind in KEPT:
            if (fhir / f"{kind}.ndjson").is_file():
                _copy(fhir / f"{kind}.ndjson", draft / f"{kind}.ndjson.gz", seed)
        shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)


def _folder(out: Path, seed: int) -> Path:
    return out / f"seed-{seed}"


def _simulated(scratch: Path, settings: SyntheticSettings, seed: int) -> Path:
    """Run the generator, silently; people without an inpatient stay are not exported."""
    simulator = importlib.import_module("clinosim.api")
    writer = importlib.import_module("clinosim.modules.output.cif_writer")
    narrative = importlib.import_module("clinosim.modules.document.narrative.passes")
    cif, fhir = str(scratch / "cif"), str(scratch / "fhir")
    config = simulator.SimulatorConfig(
        catchment_population=settings.people,
        time_range=(settings.start, settings.end),
        random_seed=seed,
        country="US",
        snapshot_date=settings.end,
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        dataset = simulator.run_beta(config)
        _reduce(dataset)
        writer.write_cif(dataset, cif)
        narrative.TemplateNarrativePass(cif, country="US", tasks=_TASKS, rng_seed=seed).run()
        simulator.convert_cif_to_fhir(cif, fhir, "US", "template")
    return Path(fhir)


def _reduce(dataset: Any) -> None:
    """Leave out what is not kept before it is written: most of the time goes there."""
    admitted = {each.patient.patient_id for each in dataset.patients if _inpatient(each)}
    dataset.patients = [p for p in dataset.patients if p.patient.patient_id in admitted]
    for record in dataset.patients:
        record.documents = [each for each in record.documents if each.loinc_code == _SUMMARY]
    dataset.hospital_roster = []  # the staff would be written once for each patient


def _inpatient(record: Any) -> bool:
    return any(each.encounter_type == "inpatient" for each in record.encounters)


def _copy(source: Path, target: Path, seed: int) -> None:
    with (
        source.open("rb") as lines,
        target.open("wb") as content,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=content, mtime=0) as packed,
    ):
        for resource in _resources(lines):
            packed.write(msgspec.json.encode(_renamed(resource, f"s{seed}-")) + b"\n")


def _resources(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """As generated; of the Compositions only the summaries, without their lists of entries."""
    for line in lines:
        resource: dict[str, Any] = msgspec.json.decode(line)
        if resource["resourceType"] == "Composition":
            if resource["type"]["coding"][0]["code"] != _SUMMARY:
                continue
            for section in resource.get("section", ()):
                section.pop("entry", None)
        yield resource


def _renamed(resource: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Ids with the seed in front: the generator gives people of two seeds the same ones."""
    if resource["resourceType"] in _SITE_OWN:
        return resource
    own = {"id": prefix + resource["id"]}
    return {name: _referring(value, prefix) for name, value in resource.items()} | own


def _referring(value: Any, prefix: str) -> Any:
    if isinstance(value, list):
        return [_referring(each, prefix) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _referring(each, prefix) for name, each in value.items()}
    kind, slash, rest = str(inner.get("reference", "")).partition("/")
    if slash and kind not in _SITE_OWN:
        inner["reference"] = f"{kind}/{prefix}{rest}"
    return inner

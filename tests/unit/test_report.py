"""A report stands alone, says where each number is from, and is written whole or not at all."""

import re
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import numpy
import pytest

from model.schema import Column, Schema
from training.appraisal.cards import WARNING, model_card, tripod_ai
from training.appraisal.facts import FlowStep, RunFacts, SplitSize
from training.appraisal.findings import Evaluation
from training.appraisal.plots import plots
from training.appraisal.tripod import ITEMS, NOT_DONE, SITE
from training.errors import RunError
from training.evaluation import EvaluationSettings, Predictions, evaluate
from training.metrics import expit
from training.report import NUMBERS, PAGE, Report, report_html, report_json, write_report
from training.tables import Table

pytestmark = pytest.mark.sampled(2)

FACTS = RunFacts(
    title="A run <script>alert(1)</script>",
    task="readmission_30d",
    bundle="generated-1",
    data_source="generated arrays",
    synthetic=True,
    made_on="2026-01-02",
    outcome="unplanned readmission within 30 days",
    population="adults discharged alive",
    model="TabNet, pretrained by masking",
    data_from="2020-01-01",
    data_until="2021-12-31",
    features=2,
    flow=(FlowStep("all stays", 3000), FlowStep("under 18", 12)),
    splits=(SplitSize("train", 2000, 1500, 300), SplitSize("held_out", 600, 450, 120)),
    seeds=(1, 2),
    settings={"finetuning": {"epochs": 15}},
    environment={"python": "3.11"},
    stated={"17": "Waived by the board | of the site"},
)


def evaluated(*, rows: int = 900, positives: int | None = None) -> Evaluation:
    draw = numpy.random.default_rng(0)
    risk = expit(draw.normal(-1, 1, rows))
    outcomes = (draw.random(rows) < risk).astype(float)
    if positives is not None:
        outcomes = (numpy.arange(rows) < positives).astype(float)
    places = numpy.arange(rows).astype(str)
    schema = Schema(
        (
            Column("age", "numeric", "age"),
            Column("gender", "categorical", "gender", ("F", "M <b>")),
        )
    )
    values = numpy.stack([draw.integers(18, 99, rows), draw.integers(0, 2, rows)], axis=1)
    table = Table(schema, values.astype(float), {"readmission_30d": outcomes}, places, places,
                  numpy.full(rows, "held_out"), {})  # fmt: skip
    points = numpy.round(10 * risk)
    points[:30] = numpy.nan
    return evaluate(
        table,
        "readmission_30d",
        (Predictions("ours", "probability", risk), Predictions("LACE & co", "score", points)),
        intervals=(risk * 0.9, risk),
        settings=EvaluationSettings(
            cohort="generated", split="held_out", evaluated_on=date(2026, 1, 2), synthetic=True,
            resamples=60),
    )  # fmt: skip


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluated()


@pytest.fixture(scope="module")
def page(evaluation: Evaluation) -> str:
    return report_html(evaluation, FACTS)


def test_both_files_are_written_and_read_again(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, FACTS, tmp_path / "new")
    assert sorted(each.name for each in (tmp_path / "new").iterdir()) == [PAGE, NUMBERS]
    found = msgspec.json.decode((tmp_path / "new" / NUMBERS).read_bytes(), type=Report)
    assert (found.evaluation, found.facts) == (evaluation, FACTS)


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(evaluation: Evaluation, page: str) -> None:
    assert report_html(evaluation, FACTS) == page
    assert report_json(evaluation, FACTS) == report_json(evaluation, FACTS)


def test_a_report_that_fails_leaves_nothing_behind(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NUMBERS).write_text("the earlier one")
    whole = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if PAGE in path.name:
            raise OSError("no space left")
        return whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunError, match="cannot be written"):
        write_report(evaluation, FACTS, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [NUMBERS]
    assert (tmp_path / NUMBERS).read_text() == "the earlier one"


def test_synthetic_is_said_in_both_or_in_neither(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="synthetic"):
        write_report(evaluation, msgspec.structs.replace(FACTS, synthetic=False), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_page_asks_nothing_of_any_network_and_runs_no_script(page: str) -> None:
    assert "default-src 'none'" in page
    assert not re.search(r"<script|\son\w+=|@import|<link|<img|<iframe", page)
    assert not re.search(r"""(?:href|src)=["'](?!#)""", page)
    assert not re.search(r"url\((?!#)", page)


def test_names_from_data_and_settings_cannot_become_mark_up(page: str) -> None:
    assert "&lt;script&gt;" in page
    assert "M &lt;b&gt;" in page
    assert "LACE &amp; co" in page


def test_synthetic_stands_at_the_head_of_everything(evaluation: Evaluation, page: str) -> None:
    assert page.index("Synthetic data, not for clinical use") < page.index("<main>")
    for card in (model_card(FACTS, evaluation), tripod_ai(FACTS, evaluation)):
        assert WARNING in card[:400]
    real = msgspec.structs.replace(FACTS, synthetic=False)
    assert WARNING not in model_card(real) + tripod_ai(real)


def test_every_table_and_figure_of_numbers_says_where_they_are_from(page: str) -> None:
    captions = re.findall(r"<caption>(.*?)</caption>", page, flags=re.S)
    figures = re.findall(r"<figcaption>(.*?)</figcaption>", page, flags=re.S)
    assert len(captions) == page.count("<table>")
    own = [each for each in captions if "[" in each]
    assert len(own) >= 6
    for each in (*own, *figures):
        for part in ("generated", "held_out", "95% percentile", "2026-01-02"):
            assert part in each


def test_figures_have_words_and_one_id_each(page: str) -> None:
    assert len(re.findall(r'role="img" aria-label="[^"]{40,}"', page)) == page.count("<figure ")
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {*re.findall(r'(?:url\(|href=")#([^")]+)', page)} <= {*ids}


def test_figures_take_the_colour_of_the_page_and_know_no_date(evaluation: Evaluation) -> None:
    drawn = plots(evaluation)
    assert [each.name for each in drawn] == [
        "roc", "precision-recall", "calibration", "decision-curve", "deciles", "forest"]  # fmt: skip
    for each in drawn:
        ElementTree.fromstring(each.svg)  # noqa: S314 - our own text
        assert "currentColor" in each.svg
        assert "#010203" not in each.svg
        assert not re.search(r"dc:date|20\d\d-\d\d-\d\d|#[0]{6}|fill: ?white", each.svg)


def test_too_few_positives_make_a_page_without_figures() -> None:
    few = evaluated(rows=200, positives=12)
    page = report_html(few, FACTS)
    assert plots(few) == ()
    assert "No figure: nothing is estimable." in page
    assert "fewer than 20 positives" in page


def test_a_score_first_is_drawn_without_calibration(evaluation: Evaluation) -> None:
    alone = msgspec.structs.replace(evaluation, performance=evaluation.performance[1:])
    assert [each.name for each in plots(alone)] == ["roc", "precision-recall", "forest"]


# Cards


def test_tripod_has_its_27_items_and_52_parts_in_order() -> None:
    numbers = [item.number for item in ITEMS]
    assert len(numbers) == len({*numbers}) == 52
    whole = list(dict.fromkeys(int(re.sub(r"\D", "", each)) for each in numbers))
    assert whole == list(range(1, 28))


def test_every_item_has_an_answer_in_one_row(evaluation: Evaluation) -> None:
    for found in (evaluation, None):
        rows = [
            re.split(r"(?<!\\)\|", line)
            for line in tripod_ai(FACTS, found).splitlines()
            if re.match(r"\| \d", line)
        ]
        assert [row[1].strip() for row in rows] == [item.number for item in ITEMS]
        assert all(len(row) == 6 and row[4].strip() for row in rows)


def test_what_the_site_states_stands_and_what_nobody_states_is_open() -> None:
    card = tripod_ai(FACTS)
    assert r"| 17 | Methods | Ethical approval and consent | Waived by the board \| of" in card
    assert f"| 18a | Open science | Funding | {SITE} |" in card
    assert (
        f"| 19 | Patient and public involvement | Involvement of patients and public | {NOT_DONE}"
        in card
    )


def test_facts_that_are_lacking_are_called_lacking() -> None:
    bare = RunFacts(title="t", task="critical_outcome", bundle="b", data_source="d",
                    synthetic=False, made_on="2026-01-02", outcome="o", population="p")  # fmt: skip
    rows = {
        line.split("|")[1].strip(): line for line in tripod_ai(bare).splitlines() if "|" in line
    }
    for number in ("5b", "20a", "21", "12c", "23a"):
        assert SITE in rows[number] or NOT_DONE in rows[number]
    assert "No evaluation was run" in model_card(bare)
    assert "None collected for this task" in model_card(bare)


def test_the_card_carries_flow_splits_and_numbers_with_their_cohort(evaluation: Evaluation) -> None:
    card = model_card(FACTS, evaluation)
    for part in ("| under 18 | 12 |", "| train | 2,000 | 1,500 | 300 |", "split held_out",
                 "2026-01-02", "95% percentile", "Cleveland Clinic", "LACE & co less ours"):  # fmt: skip
        assert part in card


def test_names_cannot_become_mark_up_in_cards(evaluation: Evaluation) -> None:
    for card in (model_card(FACTS, evaluation), tripod_ai(FACTS, evaluation)):
        assert not re.search(r"(?<!\\)<(?:script|b)>", card)

"""TRIPOD+AI (Collins et al., BMJ 2024;385:e078378): its 27 items, 52 with their parts.

Topics are in our own words. An answer is the run's fact, our method where it is the same in every
run, or one of the two open answers; `RunFacts.stated` overrides any of them by number.
"""

from collections.abc import Callable
from dataclasses import dataclass

from training.appraisal import words
from training.appraisal.facts import RunFacts
from training.appraisal.findings import Evaluation

SITE = "**To be stated by the site.**"
NOT_DONE = "**Not done.**"
Answer = str | Callable[[RunFacts, Evaluation | None], str]


@dataclass(frozen=True)
class Item:
    """`number` as in the checklist; `answer` where nobody stated another."""

    number: str
    section: str
    topic: str
    answer: Answer

    def answered(self, facts: RunFacts, evaluation: Evaluation | None) -> str:
        """The statement, the run's fact or the open answer."""
        if self.number in facts.stated:
            return facts.stated[self.number]
        return self.answer if isinstance(self.answer, str) else self.answer(facts, evaluation)


def _title(facts: RunFacts, _: Evaluation | None) -> str:
    return f"{facts.title}. Population: {facts.population}. Outcome: {facts.outcome}."


def _source(facts: RunFacts, _: Evaluation | None) -> str:
    kind = "Synthetic data: " if facts.synthetic else ""
    return f"{kind}{facts.data_source}. How far it represents the site's patients: {SITE}"


def _dates(facts: RunFacts, _: Evaluation | None) -> str:
    if not (facts.data_from and facts.data_until):
        return f"Not known to the run. {SITE}"
    return (
        f"Stays from {facts.data_from} to {facts.data_until}; follow-up as in the outcome's rule."
    )


def _outcome(facts: RunFacts, _: Evaluation | None) -> str:
    planned = "CMS's planned-readmission algorithm is not used. "
    named = planned if "readmission" in facts.task else ""
    return f"{facts.outcome}. {named}One rule for every group."


def _purpose(facts: RunFacts, _: Evaluation | None) -> str:
    return f"{facts.population}. It informs those who care for them and replaces nobody. {SITE}"


def _model(facts: RunFacts, _: Evaluation | None) -> str:
    built = facts.model or f"Not recorded. {NOT_DONE}"
    return f"{built} Choices by tuning only. Settings: report.json."


def _predictors(facts: RunFacts, _: Evaluation | None) -> str:
    return f"{facts.features} inputs, chosen before training and not by their association with the outcome."


def _size(facts: RunFacts, _: Evaluation | None) -> str:
    return f"All eligible stays were used; no calculation was made. {_splits(facts, None)}"


def _splits(facts: RunFacts, _: Evaluation | None) -> str:
    if not facts.splits:
        return f"Split sizes were not recorded. {SITE}"
    return (
        "; ".join(
            f"{each.name}: {each.stays:,} stays of {each.patients:,} patients, "
            f"{each.positives:,} with the outcome"
            for each in facts.splits
        )
        + "."
    )


def _flow(facts: RunFacts, _: Evaluation | None) -> str:
    if not facts.flow:
        return f"The flow was not recorded. {SITE}"
    return "; ".join(f"{step.text}: {step.stays:,} stays" for step in facts.flow) + "."


def _bundle(facts: RunFacts, _: Evaluation | None) -> str:
    return (
        f"Bundle {facts.bundle}: weights, preprocessing, calibration and catalogue with their "
        "digests, and the code that reads them."
    )


def _performance(_: RunFacts, evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return f"No evaluation was run. {NOT_DONE}"
    found = "; ".join(
        f"{each.name}: AUROC {words.show(each.auroc)}, AUPRC {words.show(each.auprc)}, slope "
        f"{words.show(each.slope)}"
        for each in evaluation.performance
    )
    return f"{found}. [{words.where(evaluation.cohort)}] Subgroups and plots: report.html."


def _interpretation(_: RunFacts, evaluation: Evaluation | None) -> str:
    return f"{words.verdict(evaluation) + ' ' if evaluation else ''}{SITE}"


def _limits(facts: RunFacts, _: Evaluation | None) -> str:
    synthetic = "The data are synthetic: nothing follows for patients. " if facts.synthetic else ""
    return (
        f"{synthetic}One source of data; readmission to other hospitals may be unseen; death "
        "within 30 days without readmission counts as negative. Others: " + SITE
    )


ITEMS: tuple[Item, ...] = (
    Item("1", "Title", "Study, target population, outcome", _title),
    Item("2", "Abstract", "Structured abstract", NOT_DONE),
    Item("3a", "Introduction", "Health-care context, rationale, existing models",
         "Prognosis for one stay. LACE, HOSPITAL, regression and boosting stand beside the model."),
    Item("3b", "Introduction", "Target population, purpose in the pathway, users",
         _purpose),
    Item("3c", "Introduction", "Known health inequalities", SITE),
    Item("4", "Introduction", "Objectives: development, evaluation or both",
         "Development, and evaluation on held-out patients of the same source."),
    Item("5a", "Methods", "Sources of data and how representative they are", _source),
    Item("5b", "Methods", "Dates of accrual and end of follow-up", _dates),
    Item("6a", "Methods", "Setting, number and place of centres", SITE),
    Item("6b", "Methods", "Eligibility", lambda facts, _: facts.population + "."),
    Item("6c", "Methods", "Treatments received and how they were handled",
         "Treatments are inputs only where the catalogue lists them; effects are not modelled."),
    Item("7", "Methods", "Preparation and quality checks of data",
         "Catalogue features: one mapping for every source and group; out-of-range values are discarded and counted."),
    Item("8a", "Methods", "Outcome, horizon, how and when assessed", _outcome),
    Item("8b", "Methods", "Assessors of a subjective outcome", "None: computed from admissions."),
    Item("8c", "Methods", "Blinding of outcome assessment", "Computed without sight of predictions."),
    Item("9a", "Methods", "Choice of initial predictors", _predictors),
    Item("9b", "Methods", "Definition and timing of predictors",
         "catalogue.csv in the bundle: definition, unit and window of each; nothing later than "
         "prediction_time is read."),
    Item("9c", "Methods", "Assessors of subjective predictors",
         "Pain, acuity and complaint are as staff recorded them; nobody assessed them anew."),
    Item("10", "Methods", "Sample size and why it is enough", _size),
    Item("11", "Methods", "Missing data",
         "Nothing is imputed for the model: a missing input is a masked one. Regression and TabNet "
         "baselines use medians of train; boosting takes missing values as they are."),
    Item("12a", "Methods", "How data were used and partitioned",
         "train, tuning and held_out by patient for every stage; held_out is opened once."),
    Item("12b", "Methods", "Handling of predictors",
         "Numbers are standardised by train, categories embedded; missing ones masked."),
    Item("12c", "Methods", "Type of model, building steps, tuning, internal validation",
         _model),
    Item("12d", "Methods", "Heterogeneity across clusters", NOT_DONE),
    Item("12e", "Methods", "Measures and plots of performance",
         "AUROC, AUPRC, Brier, calibration slope, intercept and in the large, ECE, thresholds, "
         "decision curve, tenths of risk; intervals by resampling patients; paired differences."),
    Item("12f", "Methods", "Updating after evaluation", NOT_DONE),
    Item("12g", "Methods", "How predictions were calculated",
         "By the bundle's own scoring code, the one that the service runs."),
    Item("13", "Methods", "Class imbalance", "Classes were not rebalanced."),
    Item("14", "Methods", "Fairness",
         "Performance by sex, age band, race and ethnicity and payer, small cells hidden; race and "
         "payer can be masked as inputs. No other correction was made."),
    Item("15", "Methods", "Output and thresholds",
         "A probability with an interval. Thresholds shown are examples; a site chooses its own "
         "by capacity or net benefit."),
    Item("16", "Methods", "Differences between training and evaluation data",
         "Same source and rules, other patients."),
    Item("17", "Methods", "Ethical approval and consent", SITE),
    Item("18a", "Open science", "Funding", SITE),
    Item("18b", "Open science", "Conflicts of interest", SITE),
    Item("18c", "Open science", "Protocol", "No protocol was prepared. " + NOT_DONE),
    Item("18d", "Open science", "Registration", "Not registered. " + NOT_DONE),
    Item("18e", "Open science", "Sharing of data", "As the data's owner allows. " + SITE),
    Item("18f", "Open science", "Sharing of code", "The code that made this run is open (Apache-2.0)."),
    Item("19", "Patient and public involvement", "Involvement of patients and public", NOT_DONE),
    Item("20a", "Results", "Flow of participants", _flow),
    Item("20b", "Results", "Characteristics of participants", SITE),
    Item("20c", "Results", "Comparison of training and evaluation data", NOT_DONE),
    Item("21", "Results", "Participants and events in each analysis", _splits),
    Item("22", "Results", "The full model, and limits on its use", _bundle),
    Item("23a", "Results", "Performance with intervals, and by subgroup", _performance),
    Item("23b", "Results", "Heterogeneity across clusters", NOT_DONE),
    Item("24", "Results", "Results of updating", NOT_DONE),
    Item("25", "Discussion", "Interpretation, fairness included", _interpretation),
    Item("26", "Discussion", "Limitations", _limits),
    Item("27a", "Discussion", "Poor or missing input when in use",
         "Below a floor of coverage there is no score; each result says how much it could see."),
    Item("27b", "Discussion", "What users must do and know",
         "Clinicians read a card and may look at each input; none enters data."),
    Item("27c", "Discussion", "Next steps, applicability, generalisability",
         "Silent running, local validation and recalibration before any use. " + SITE),
)  # fmt: skip

"""The words of the page that no card has; all others are hooks/wording.py's. No directive verbs."""

from collections.abc import Mapping
from datetime import datetime

RAISES_AND_LOWERS = (
    "Each bar begins where the one before it ends, from a typical patient of the training cohort to"
    " this one. They are associations in that cohort, not causes; numbers are changes in log-odds and"
    " add up to the whole way, rounding aside."
)
NO_CONTRIBUTIONS = "What moved this estimate was not kept with it."
NOT_ATTRIBUTED = "Not attributed"
NOT_ATTRIBUTED_IS = "what the method leaves over"
SMALL = "{} more, each below 0.005"
MAY_CHANGE = "may be changed"
ATTENTION = (
    "TabNet chooses at each step which inputs it looks at. These shares say where it looked, however"
    " it was then moved: not a contribution, neither raising nor lowering."
)
NO_NETWORK = "This bundle has no network: it counts points."
NOT_LOADED = (
    "The model version that made this assessment is no longer loaded, so this cannot be worked out."
)
NOT_KEPT = "This is worked out from the inputs, which are not known any more."
NOT_DECIDED = "The network looked at no input in particular."
PURGED = (
    "The inputs of this assessment were purged, as this site's retention asks, or no storage key"
    " opens them any more. What is left is the result."
)
OTHER_CATALOGUE = (
    "This assessment was made with another version of the inputs' definitions, so its values cannot be"
    " named here."
)
SILENT = (
    "This site runs Readmit silently: estimates are made and stored for evaluation, and none is shown"
    " to anybody."
)
NOTHING_YET = (
    "Readmit has not assessed this stay. It can read the chart now, with your access, and make the first"
    " assessment; that is stored, as one from the EHR would be."
)
STAYS = "Hospital stays in the chart, newest first. A stay that ended is assessed as of its end."
NO_STAYS = "The chart has no hospital stay that Readmit could read."
COULD_MOVE = (
    "Of what is missing, these inputs could move the estimate furthest: from the lowest to the highest"
    " it would be over the values that the training stays had, one at a time, all others as they are."
)
UNTOLD = "Missing inputs of which the training stays had too few values to tell how far: {}."
NOTHING_COULD_MOVE = "Nothing that is missing is known to move this estimate."
NOTHING_MISSING = "Every input is known."
WHY_MISSING: Mapping[str, str] = {
    "derived": "an input that it is worked out from is missing",
    "not_yet": "not known yet, or not part of this visit",
    "not_read": "{} not read",
    "partial": "{} read in part",
    "absent": "not in the record",
}
DENIED = "Access was not granted to: {}. What it would have told is missing, and no zero."
NARROWED = "Access was granted to a part only of: {}."
FIRST = "This is the first assessment of this patient that can be shown here."
OTHER_MODEL = "another model version"
EARLIER = "Each point is one assessment. A hollow point was made by another model version, on another scale."
NO_CARD = "No card was shown with this assessment, so there is none to answer."
ACCEPT = "Taken into account"
OVERRIDE = "Set aside"
ANSWERS: Mapping[str, str] = {"accepted": "taken into account", "overridden": "set aside"}
CARD_FEEDBACK = "Your answer is stored with the card, as an answer from the EHR would be."
HOOKS: Mapping[str, str] = {
    "encounter-discharge": "at discharge",
    "patient-view": "chart opened",
    "encounter-start": "at the beginning of a visit",
    "smart": "asked for in this app",
}
MARK_IS = (
    "A mark speaks of the value, not of the risk: a changed value is no proof of another outcome."
)
INPUTS_NOT_COMPARED = "The inputs of one of the two are no longer kept, so they are not compared."
NOTHING_CHANGED = "No input differs."
TASKS: Mapping[str, str] = {
    "readmission_30d": "30-day readmission",
    "critical_outcome": "Critical outcome",
}
NEVER_READ = "No input was worked out, because no stay could be told."


def answered(outcome: str, at: datetime) -> str:
    """That the card was answered, and how."""
    return f"This card was answered on {at:%Y-%m-%d %H:%M} UTC: {ANSWERS[outcome]}."

"""A discharge summary as the text tower reads it: clinical sections, lower case, words only.

The paper: lower-cased; dates, numbers and punctuation stripped; non-clinical sections dropped.
Which sections are non-clinical is our choice: who and where, signatures, and follow-up logistics.
"""

import re

_HEADING = re.compile(
    r"^[ \t]*(?:#+[ \t]*|\*\*)?([A-Za-z][A-Za-z /&()'-]{1,48}?)(?:\*\*)?[ \t]*:", re.M
)
_DROPPED = frozenset(
    (
        "name", "patient name", "patient", "patient id", "mrn", "unit no", "account number",
        "admission date", "date of admission", "discharge date", "date of discharge",
        "date of birth", "dob", "age", "sex", "gender", "service", "attending",
        "attending physician", "physician", "author", "provider", "facility", "hospital", "ward",
        "dictated by", "completed by", "signed by", "electronically signed by", "signature",
        "phone", "address", "insurance", "date", "time", "document id",
        "followup instructions", "follow-up instructions", "follow up instructions",
        "follow-up appointments", "appointments",
    )
)  # fmt: skip
_WORDS = re.compile(r"[a-z]+(?:'[a-z]+)?")
_MONTH = (  # without May, which is a verb far more often
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATES = re.compile(
    rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}|{_MONTH}\s+(?:{_DAY}|\d{{4}})\b|\b{_DAY}\b", re.I
)


def clean(text: str) -> str:
    """Words of the clinical sections, lower case, separated by single blanks; "" where none."""
    kept = " ".join(body for heading, body in _sections(text) if heading not in _DROPPED)
    return " ".join(_WORDS.findall(_DATES.sub(" ", kept).lower()))


def _sections(text: str) -> list[tuple[str, str]]:
    """(heading, heading and body); what stands before the first heading has heading ""."""
    marks = list(_HEADING.finditer(text))
    starts = [mark.start() for mark in marks] + [len(text)]
    sections = [("", text[: starts[0]])]
    for mark, end in zip(marks, starts[1:], strict=True):
        sections.append((mark.group(1).strip().lower(), text[mark.start() : end]))
    return sections

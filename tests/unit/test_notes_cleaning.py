"""What is left of a discharge summary: the words of its clinical sections."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.notes import _DROPPED, clean

# Laid out as MIMIC-IV's are; every word is made up.
SUMMARY = """
Name:  Ada Nobody                     Unit No:   12345

Admission Date:  2150-03-04              Discharge Date:   2150-03-09

Date of Birth:  2091-01-01             Sex:   F

Service: MEDICINE

Allergies:
Penicillins

Attending: Dr. Made Up

Chief Complaint:
Shortness of breath

Major Surgical or Invasive Procedure:
None

History of Present Illness:
Ms. N. is a 59-year-old woman with CHF (EF 25%), admitted on March 4th, 2150;
she doesn't smoke. BNP was 1,250.

Brief Hospital Course:
# CHF: diuresed with IV furosemide 40mg b.i.d. from 03/05 to 03/08.

Discharge Disposition:
Home With Service

Discharge Instructions:
Weigh yourself every morning.

Followup Instructions:
Clinic of Dr. Other, 2150-04-01, phone 555-0100
"""
LEFT = (
    "allergies penicillins chief complaint shortness of breath "
    "major surgical or invasive procedure none history of present illness "
    "ms n is a year old woman with chf ef admitted on she doesn't smoke bnp was "
    "brief hospital course chf diuresed with iv furosemide mg b i d from to "
    "discharge disposition home with service "
    "discharge instructions weigh yourself every morning"
)


def test_a_summary_of_mimics_layout_by_hand() -> None:
    assert clean(SUMMARY).split() == LEFT.split()


@pytest.mark.parametrize("word", ["ada", "nobody", "medicine", "made", "up", "other", "phone"])
def test_who_and_where_is_left_out(word: str) -> None:
    assert word not in clean(SUMMARY).split()


@pytest.mark.parametrize("heading", sorted(_DROPPED))
def test_a_dropped_section_goes_with_its_heading_and_the_next_stays(heading: str) -> None:
    for written in (heading.title(), heading.upper(), f"**{heading}**", f"## {heading}"):
        text = f"Course: fine\n{written}: secret words\nmore of them\nPlan: rest"
        assert clean(text) == "course fine plan rest", written


@pytest.mark.parametrize(
    "heading",
    ["Hospital Course", "Discharge Diagnosis", "Medications on Admission", "Physical Exam"],
)
def test_clinical_sections_stay(heading: str) -> None:
    assert clean(f"{heading}: fine") == f"{heading.lower()} fine"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("seen 2150-03-04 and 3/4/50", "seen and"),
        ("on March 4, 2150 at 10:25", "on at"),
        ("since sept. 2149, dec 31", "since"),
        ("from 4 March 2150 to the 5th of April", "from to the"),
        ("Jan 3rd, 2nd day", "day"),
        ("may 4 be better", "may be better"),  # the verb is commoner than the month
        ("a march of 4 km", "a march of km"),
        ("Na 135; K+ 4.1 (low)", "na k low"),
        ("patient's BP 120/80", "patient's bp"),
        ("'quoted' words", "quoted words"),
        ("___ was seen by Dr. ___", "was seen by dr"),
        ("", ""),
        ("\n\t  \n", ""),
        ("12345 !!", ""),
    ],
)
def test_dates_numbers_and_punctuation_go(text: str, left: str) -> None:
    assert clean(text) == left


def test_what_stands_before_the_first_heading_stays() -> None:
    assert clean("Admitted with fever.\nCourse: fine") == "admitted with fever course fine"


@given(st.text(max_size=300))
def test_whatever_comes_in_words_come_out(text: str) -> None:
    found = clean(text)
    assert re.fullmatch(r"(?:[a-z]+(?:'[a-z]+)?(?: (?!$))?)*", found)
    assert clean(found) == found

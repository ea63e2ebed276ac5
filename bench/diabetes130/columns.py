"""UCI Diabetes 130-US Hospitals as a feature table: 50 columns in, one Schema and one Table out.

Levels and frequency cuts are those of `train` alone. No column is computed across a patient's rows.
"""

import hashlib
from pathlib import Path

import numpy
import polars

from model.schema import Column, Schema
from training.tables import SPLITS, Floats, Table

SOURCE = "diabetic_data.csv.gz"
DEAD_OR_HOSPICE = ("11", "13", "14", "19", "20", "21")
LABEL, AUXILIARY = "readmission_30d", "readmission_any"
SHARES = (0.70, 0.85)  # train below the first, tuning below the second, held_out above
RAREST = 50  # a level with fewer rows of train is the unknown id

NUMERIC = {
    "time_in_hospital": "length of stay",
    "num_lab_procedures": "laboratory work",
    "num_procedures": "procedures",
    "num_medications": "medications",
    "number_outpatient": "outpatient visits",
    "number_emergency": "emergency visits",
    "number_inpatient": "inpatient stays",
    "number_diagnoses": "number of diagnoses",
}
CATEGORICAL = {
    "race": "race",
    "gender": "sex",
    "admission_type_id": "admission type",
    "discharge_disposition_id": "discharge disposition",
    "admission_source_id": "admission source",
    "payer_code": "payer",
    "medical_specialty": "specialty",
    "max_glu_serum": "glucose",
    "A1Cresult": "HbA1c",
}
DRUGS = (
    "insulin",
    "metformin",
    "glipizide",
    "glyburide",
    "pioglitazone",
    "rosiglitazone",
    "glimepiride",
    "repaglinide",
)
RARE_DRUGS = (
    "nateglinide",
    "chlorpropamide",
    "acetohexamide",
    "tolbutamide",
    "acarbose",
    "miglitol",
    "troglitazone",
    "tolazamide",
    "glyburide-metformin",
    "glipizide-metformin",
    "glimepiride-pioglitazone",
    "metformin-rosiglitazone",
    "metformin-pioglitazone",
)
DIAGNOSES = ("diag_1", "diag_2", "diag_3")
MISSING = ("?", "Unknown/Invalid")
CHAPTERS = (
    (1, 139, "infection"),
    (140, 239, "neoplasm"),
    (240, 249, "endocrine"),
    (250, 250, "diabetes"),
    (251, 279, "endocrine"),
    (280, 289, "blood"),
    (290, 319, "mental"),
    (320, 389, "nervous"),
    (390, 459, "circulatory"),
    (460, 519, "respiratory"),
    (520, 579, "digestive"),
    (580, 629, "genitourinary"),
    (630, 679, "pregnancy"),
    (680, 709, "skin"),
    (710, 739, "musculoskeletal"),
    (740, 759, "congenital"),
    (760, 779, "perinatal"),
    (780, 799, "symptom"),
    (800, 999, "injury"),
)


def split_of(patient: str) -> str:
    """The split of a patient: sha256 of the number alone, so that it holds for every stage."""
    share = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") / 2**64
    return SPLITS[sum(share >= bound for bound in SHARES)]


def chapter_of(code: str | None) -> str | None:
    """ICD-9 chapter, diabetes apart; None for a missing code."""
    if code is None or code[0] in "VE":
        return None if code is None else code[0]
    number = int(code.split(".")[0])
    return next((name for low, high, name in CHAPTERS if low <= number <= high), None)


def category_of(code: str | None) -> str | None:
    """ICD-9 category (three digits), with the fourth digit for diabetes: its complication."""
    if code is None:
        return None
    stem, _, rest = code.partition(".")
    return f"{stem}.{(rest or '0')[0]}" if stem == "250" else stem


def _read(folder: Path) -> polars.DataFrame:
    rows = polars.read_csv(folder / SOURCE, infer_schema=False)
    rows = rows.filter(~polars.col("discharge_disposition_id").is_in(DEAD_OR_HOSPICE))
    columns = [*CATEGORICAL, *DIAGNOSES]
    blank = polars.col(columns).replace(dict.fromkeys(MISSING))
    splits = polars.col("patient_nbr").map_elements(split_of, polars.String).alias("split")
    return rows.with_columns(blank, splits)


def _with_derived(rows: polars.DataFrame) -> polars.DataFrame:
    """Age as the middle of its band, codes grouped, the rare drugs as one flag, yes/no as 0/1."""
    text, number = polars.String, polars.Float64
    grouped = [
        polars.col(name).map_elements(rule, text, skip_nulls=True).alias(f"{name}_{suffix}")
        for name in DIAGNOSES
        for suffix, rule in (("chapter", chapter_of), ("category", category_of))
    ]
    return rows.with_columns(
        *grouped,
        (polars.col("age").str.extract(r"\[(\d+)-").cast(number) + 5).alias("age"),
        polars.any_horizontal(polars.col(RARE_DRUGS) != "No").cast(number).alias("other_drug"),
        (polars.col("change") == "Ch").cast(number),
        (polars.col("diabetesMed") == "Yes").cast(number),
    )


def _levels(rows: polars.DataFrame, name: str) -> tuple[str, ...]:
    counts = rows.filter(polars.col("split") == "train")[name].drop_nulls().value_counts()
    return tuple(sorted(counts.filter(polars.col("count") >= RAREST)[name]))


def _schema(rows: polars.DataFrame) -> Schema:
    coded = {f"{n}_{s}": f"diagnosis {n[-1]}" for n in DIAGNOSES for s in ("chapter", "category")}
    categorical = CATEGORICAL | coded | dict.fromkeys(DRUGS, "")
    return Schema(
        (
            Column("age", "numeric", "age"),
            *(Column(name, "numeric", concept) for name, concept in NUMERIC.items()),
            Column("other_drug", "binary", "other_drug"),
            Column("change", "binary", "change of diabetes drugs"),
            Column("diabetesMed", "binary", "any diabetes drug"),
            *(
                Column(name, "categorical", concept or name, _levels(rows, name))
                for name, concept in categorical.items()
            ),
        )
    )


def _values(rows: polars.DataFrame, column: Column) -> Floats:
    """One column as the table holds it, (rows,); see `Schema.encode`."""
    if column.kind != "categorical":
        return rows[column.name].cast(polars.Float64).to_numpy()
    ids = {level: float(i) for i, level in enumerate(column.levels)}
    unknown = float(len(column.levels))
    given = rows[column.name].to_list()
    return numpy.array([numpy.nan if v is None else ids.get(v, unknown) for v in given])


def load(folder: Path) -> Table:
    """The table of `folder` (holding diabetic_data.csv.gz), rows in the file's order."""
    rows = _with_derived(_read(folder))
    schema = _schema(rows)
    return Table(
        schema=schema,
        values=numpy.column_stack([_values(rows, column) for column in schema]),
        labels={
            LABEL: (rows["readmitted"] == "<30").to_numpy().astype(float),
            AUXILIARY: (rows["readmitted"] != "NO").to_numpy().astype(float),
        },
        subjects=rows["patient_nbr"].to_numpy().astype(str),
        stays=rows["encounter_id"].to_numpy().astype(str),
        splits=rows["split"].to_numpy().astype(str),
        extras={
            name: rows[name].fill_null("").to_numpy() for name in ("race", "gender", "payer_code")
        },
    )

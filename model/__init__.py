"""Numbers in, probability out; knows neither FHIR nor the web."""

from model.bundle import Bundle, load_bundle, write_bundle
from model.errors import BundleError
from model.manifest import BaseRate, Manifest
from model.published import PointClass, PublishedScore, Sample
from model.scoring import Contribution, Score, Scorer, Value, scorer_for

__all__ = [
    "BaseRate",
    "Bundle",
    "BundleError",
    "Contribution",
    "Manifest",
    "PointClass",
    "PublishedScore",
    "Sample",
    "Score",
    "Scorer",
    "Value",
    "load_bundle",
    "scorer_for",
    "write_bundle",
]

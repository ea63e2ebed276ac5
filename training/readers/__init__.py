"""How each source of training data is read; training/mimic.py and fhir_cohort.py use it."""

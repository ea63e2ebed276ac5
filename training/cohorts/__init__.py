"""The rows, files and flow of a cohort; training/cohort.py builds it from them."""

"""FHIR in, 105 numbers out; pure: no network, clock, database or tensors."""

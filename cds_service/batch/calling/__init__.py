"""How batch speaks to a FHIR server: with its own tokens, patiently, and telling no more than it may."""

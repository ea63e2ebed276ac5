"""The records of many patients out of a FHIR server that exports nothing: by search."""

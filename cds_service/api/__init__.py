"""The read API: stored assessments as JSON and as FHIR R4, for bearers of access tokens."""

"""The other side of the SMART app under --dev: authorization server and FHIR server of the examples."""

"""CDS Hooks: discovery, the hook call, the card. No scoring, no reading of FHIR."""

"""FHIR Bulk Data Access: the client of `$export`, for servers of versions 1 to 4."""

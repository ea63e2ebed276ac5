"""From cohort to bundle; never imported by the service."""

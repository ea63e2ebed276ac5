"""Real readmissions, a benchmark's own columns: the trainer against what it must beat."""

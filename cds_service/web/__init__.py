"""Pages that people look at. The demonstration page that plays the EHR is served under --dev only."""

"""The day's discharges, ranked by risk, for the care managers whom a site names."""

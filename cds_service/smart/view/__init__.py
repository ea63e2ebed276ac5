"""Pages of the SMART app as pure functions: what is stored in, HTML out. No network, clock, database."""

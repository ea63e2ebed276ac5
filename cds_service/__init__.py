"""The edge: network, clock, database and HTTP; computes no feature."""

"""The models that ours must beat; training/baselines.py is their door."""

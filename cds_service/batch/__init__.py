"""Whole exports instead of single calls: commands of `readmit` that stream files."""

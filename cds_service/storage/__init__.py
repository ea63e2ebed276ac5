"""The assessment store: one row per answer, written before the answer leaves."""

"""What an operator does with what was stored: verify, replay, export, purge. No hook, no HTTP."""

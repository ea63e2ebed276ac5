"""How well a model does, in numbers, figures and words; training/evaluation.py is its door."""

"""Generated stays whose true risk is known: is the trained probability, and its interval, right?"""

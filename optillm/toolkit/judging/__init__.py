"""The verdicts of judges, and what follows from them."""

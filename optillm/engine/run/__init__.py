"""One request at work: its techniques, their context, and what they return."""

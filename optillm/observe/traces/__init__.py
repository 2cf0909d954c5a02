"""Stored traces: what a request did, kept as it was made and told when somebody looks."""

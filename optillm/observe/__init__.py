"""Observers of served requests: log lines, metrics, traces.

Each takes a `Record` and nothing more.
"""

"""Measurements behind the figures in README and docs; each module names its command."""

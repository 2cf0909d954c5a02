"""The pure parts of techniques: no I/O, no model calls."""

"""An OpenAI-compatible proxy that makes any model reason better by spending compute at inference time."""

__version__ = "2026.11.0"

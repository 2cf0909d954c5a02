"""An OpenAI-compatible proxy that makes models reason better by spending compute."""

__version__ = "2026.11.0"

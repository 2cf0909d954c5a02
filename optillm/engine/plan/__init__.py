"""From a model's name or a request field to validated stages."""

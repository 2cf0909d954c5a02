"""JSON schemas: what they demand, and what checking them costs."""

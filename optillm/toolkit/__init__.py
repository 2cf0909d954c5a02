"""Pure parts that techniques share: no I/O, no model calls."""

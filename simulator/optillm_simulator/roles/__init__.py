"""The roles that a prompt can give the demo model, from answering and judging to proving."""

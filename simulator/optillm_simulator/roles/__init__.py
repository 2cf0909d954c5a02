"""The roles a prompt can give the demo model, from answering and judging to proving, and how each is played."""

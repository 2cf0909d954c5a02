"""What the demo model can do: read a task, work it out, and invent new ones with known answers."""

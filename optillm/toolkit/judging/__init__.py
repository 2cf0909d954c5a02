"""What judges say, and what follows from it."""

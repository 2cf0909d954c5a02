"""The roles a prompt can give the demo model: answer, judge, merge, continue, and how each is played."""

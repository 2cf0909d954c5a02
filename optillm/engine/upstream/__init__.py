"""Upstreams: which one a call goes to, what it accepts, and how its replies are read."""

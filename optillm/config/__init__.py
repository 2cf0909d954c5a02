"""What the operator decides: settings, keys, prices and upstreams.

Nothing else reads the environment.
"""

"""Settings, keys, prices and upstreams: what the operator decides. The only reader of the environment."""

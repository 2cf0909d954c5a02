"""What is told of served requests: log lines, metrics, traces. Each observer takes a `Record` and nothing more."""

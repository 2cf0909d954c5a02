"""Pages for people: what the proxy is, the playground, the traces."""

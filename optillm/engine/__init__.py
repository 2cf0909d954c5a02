"""The engine: from a chat request to upstream calls and back, under one ledger."""

"""What the `optillm` command can do beside serving, one file for each command."""

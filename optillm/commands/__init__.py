"""The commands, one file each: what `optillm NAME` does once its arguments have been parsed."""

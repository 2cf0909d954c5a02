"""The commands of the command line, one file each: what `optillm NAME` does once its arguments have been read."""

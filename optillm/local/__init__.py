"""Models that the command starts as child processes: the simulator for `--demo`, llama.cpp for `--local`."""

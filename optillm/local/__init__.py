"""Models started as child processes: the simulator for `--demo`, llama.cpp for `--local`."""

"""What a run needs before it starts: machine, memory, time."""

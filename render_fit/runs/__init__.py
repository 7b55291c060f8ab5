"""Photos in, output folders out: what the command line does, callable from Python."""

"""No I/O, no sleep, a fake clock: seconds in all."""

"""The storage ports in memory, and stand-ins for the slow and the random ones."""

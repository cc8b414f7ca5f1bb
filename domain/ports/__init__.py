"""All that the domain asks of the outside world: what it reads, what it writes, and everything else."""

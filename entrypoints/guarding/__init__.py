"""Who may in, and what those are told who may not, for any framework."""

"""Who is let in, and what refused callers are told, for any framework."""

"""Word of changes by a Redis, for stores that tell nobody themselves."""

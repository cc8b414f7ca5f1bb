"""Real databases, real servers, real sockets."""

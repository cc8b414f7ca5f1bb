"""What the service knows and does, without a word about how."""

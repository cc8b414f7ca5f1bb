"""What callers may ask of the service: a module for each journey."""

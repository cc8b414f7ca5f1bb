"""What callers can ask the service to do: one module for each journey."""

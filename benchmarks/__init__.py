"""The figures, each a command."""

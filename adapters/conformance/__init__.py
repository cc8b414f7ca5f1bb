"""What every adapter of a port must do: a class for each port, subclassed for each adapter."""

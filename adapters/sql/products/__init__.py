"""The database products: one module each, with what it needs to connect."""

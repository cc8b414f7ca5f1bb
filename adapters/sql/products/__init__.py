"""The database products: one module each, and what it needs to reach its own."""

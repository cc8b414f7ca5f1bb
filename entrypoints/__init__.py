"""Where adapters are chosen and the domain meets its callers."""

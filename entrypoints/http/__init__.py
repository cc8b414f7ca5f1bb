"""The HTTP contract, by Falcon."""

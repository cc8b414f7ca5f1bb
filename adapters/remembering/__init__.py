"""What a guard may keep in memory, around the adapters that find it out."""

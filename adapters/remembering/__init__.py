"""What a guard may remember, as adapters around other adapters."""

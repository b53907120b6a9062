"""The engine room: the bank and what runs its epochs."""

"""The rules interface (its engine comes with the rules; the place is kept)."""

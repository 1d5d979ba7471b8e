"""One thin module per historical command."""

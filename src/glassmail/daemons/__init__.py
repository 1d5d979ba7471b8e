"""Process and privilege wiring around the stations."""

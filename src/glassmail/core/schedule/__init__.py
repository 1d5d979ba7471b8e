"""When the next attempt comes and what may start now."""

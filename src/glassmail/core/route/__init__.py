"""Where an address goes."""

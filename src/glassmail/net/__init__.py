"""Sockets: listeners, the pump, internal channels, DNS."""

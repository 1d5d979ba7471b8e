"""Protocols as state machines without sockets."""

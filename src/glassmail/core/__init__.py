"""Pure decisions: bytes and facts in, decisions out.

No file, socket, clock, randomness, log or thread.
"""

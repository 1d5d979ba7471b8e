"""vpopmaild's protocol: accounts asked for and changed by programs, a line a command."""

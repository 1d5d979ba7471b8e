"""One module per station of a message: joins core with store and net.

No privileges, no listening.
"""

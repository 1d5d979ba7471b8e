"""A mail server you can see through. Kept empty: programs that start per message import little."""

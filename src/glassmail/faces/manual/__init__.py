"""The manual: man pages made from the declarations of commands, settings, events and formats."""

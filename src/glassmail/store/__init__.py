"""What is remembered on disk: queue, mailboxes, accounts, history, control directory."""

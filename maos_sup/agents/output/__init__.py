"""What a program wrote, read whole line by whole line and made into records."""

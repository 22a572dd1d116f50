"""Control lines: how a program asks its agent for something, written and understood."""

"""An agent's lives: where one begins, what it continues from, what its journals add up to, how it ended."""

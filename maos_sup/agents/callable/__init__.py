"""Gives a callable of kind `python` its durable steps, state, mail and questions."""

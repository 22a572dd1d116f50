"""What a callable of kind `python` is given: durable steps, state, mail, questions."""

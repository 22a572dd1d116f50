"""How an agent works: which task is next, one after the other, and what a life cut short left open."""

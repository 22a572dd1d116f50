"""From a plan file to what a tree is made of. Reads it and what lies beside it; writes only a new tree."""

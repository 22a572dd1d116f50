"""The second thread of an agent: signs of life, wishes, limits, output; what wakes it and when."""

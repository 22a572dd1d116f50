"""Ways to write and read one file so that no crash tears it: replace, append and chain, two slots, locks."""

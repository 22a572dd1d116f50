"""Starts, watches and ends agent processes. `base` is the contract, `local` this machine, `memory` a fake."""

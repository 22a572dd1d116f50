"""Starts, watches and ends agent processes.

`base` is the contract, `local` this machine, `slurm` a cluster, `fleet` several at once, `memory` a fake.
"""

"""Imported by every Python of a run under proof, before its own code: begins to record where told to."""

import os

if os.environ.get("MAOS_SUP_PROOF_LOG"):
    from proof import plant, recorder

    recorder.start(os.environ["MAOS_SUP_PROOF_LOG"])
    if os.environ.get("MAOS_SUP_PROOF_BUG"):
        plant.plant_at_import(os.environ["MAOS_SUP_PROOF_BUG"])

"""Records are made of these: a script of deeds, real agents on a stage, whole orchestrations."""

"""What is recorded: a script of deeds, real agents on a stage, whole orchestrations."""

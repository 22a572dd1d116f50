"""Pure decisions: no clock, no file, no process. Values in, values out."""

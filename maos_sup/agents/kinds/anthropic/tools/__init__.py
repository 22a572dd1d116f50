"""Says what the model can do. Each tool says whether it may be run again; `offered` has the list."""

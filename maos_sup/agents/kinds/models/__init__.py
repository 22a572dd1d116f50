"""What all kinds that use a model share: waits that a provider asks for, and how they are shown."""

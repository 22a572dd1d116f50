"""Others that do a part of the same, installed by the bench itself and measured in the same rounds."""

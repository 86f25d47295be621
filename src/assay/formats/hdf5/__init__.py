"""HDF5: the part of the format that says what a loader would be told and where it would be sent, in bounded steps."""

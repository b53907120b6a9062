"""The audit room: what the library notices about runs, one file a check."""

"""PS3.7 and PS3.8: the guarded listener and one file a service class."""

"""Settings, logging and the example configuration: the floor that imports nothing of ours."""

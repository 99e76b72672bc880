"""Settings, logging and the example configuration: the ground floor, which imports nothing of ours."""

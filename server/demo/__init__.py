"""A demonstration study with a known truth, for people and for tests: no patient's data."""

"""One module an aggregate: the statements, and nothing but the statements."""

"""Where the bytes lie: a port of a few methods, and its adapters."""

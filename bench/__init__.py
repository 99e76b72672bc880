"""`./dev bench`: how fast, beside a tuned peer in the same run, interleaved, fsync on in both."""

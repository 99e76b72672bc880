"""Networks and transforms of our own that a bundle may name (the allow-list holds this folder).

They import torch, so only the child process imports them.
"""

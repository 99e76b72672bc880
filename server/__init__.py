"""Puts the rooms together: the ASGI application, the process tree, the command line."""

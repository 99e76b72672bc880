"""The processes of the tree, and what the supervisor knows of each.

``web``, ``dimse`` and ``worker`` each hold one process's main function and import only what
that process needs: an idle tree is small because of it.
"""

"""``hounsfield import``: a folder or a ZIP into a running server, over STOW-RS."""

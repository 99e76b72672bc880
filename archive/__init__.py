"""The one door: what is stored, found and retrieved passes through here, whatever the protocol."""

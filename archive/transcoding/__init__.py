"""Objects and frames in another transfer syntax, made by processes: strangers feed codecs."""

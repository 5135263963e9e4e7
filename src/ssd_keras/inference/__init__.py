"""A trained detector at work: on files and folders, drawn and written to files."""

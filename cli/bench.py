"""`./lake bench`."""

"""What `./lake` runs: one file per command, and in `cli.stack` the local services."""

"""Make checked parts visible to readers in one atomic step: a module per table format."""

"""Talk to one system each; know no table and keep no task state."""

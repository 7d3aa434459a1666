"""The local stack: where its files are (`settings`), what runs (`services`), and who keeps it running (`supervisor`)."""

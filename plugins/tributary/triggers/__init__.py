"""Wait in the triggerer, so that waiting holds no worker slot."""

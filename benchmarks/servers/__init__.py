"""Throw-away servers that only a comparison uses: MariaDB, MySQL, SeaweedFS."""

"""`./lake bench extract`: one table to zstd Parquet on S3, by us, by peers, and by a loop that throws the rows away."""

"""MySQL rows as exact Arrow record batches."""

from tributary_native._native import Batch, Column, Connection, Error, Invalid, Stream, checksum, checksums

__all__ = ["Batch", "Column", "Connection", "Error", "Invalid", "Stream", "checksum", "checksums"]

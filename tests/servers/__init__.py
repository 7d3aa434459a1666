"""Servers of a test's own, beside the test stack: databases with TLS and other flavours, S3 stores with other keys."""

"""The lake of the test stack."""

from tests.lake_support import hook as hook

"""Masking: takes personal data out of a batch, before anything of it touches a disk or the lake."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tributary.core.contract_fields import ColumnPolicy
from tributary.core.errors import ContractError

REDACTED = "***"


@dataclass(frozen=True, slots=True)
class Masking:
    """The column policies of a contract, ready to apply.

    :param key: secret of the HMAC; needed where a column is hashed. Equal values give equal hashes in every column and dataset under the
        same key, so that they can still be joined.
    :raises ContractError: where a column is hashed and there is no key.
    """

    policies: Mapping[str, ColumnPolicy]
    key: bytes | None = None

    def __post_init__(self) -> None:
        if needs_key(self.policies) and not self.key:
            hashed = next(name for name, policy in self.policies.items() if policy.mask == "hash")
            raise ContractError(
                f"column {hashed!r} is to be hashed and there is no key; create the Airflow connection `masking` whose password is the key"
            )

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch without its dropped columns and with its masked ones replaced. NULL stays NULL."""
        kept: dict[str, pa.Array] = {}
        fields = []
        for field, values in zip(batch.schema, batch.columns, strict=True):
            policy = self.policies.get(field.name)
            if policy is None or policy.mask is None:
                kept[field.name] = values
                fields.append(field)
            elif policy.mask != "drop":
                kept[field.name] = self._masked(values, policy)
                fields.append(pa.field(field.name, kept[field.name].type))
        return pa.RecordBatch.from_arrays(list(kept.values()), schema=pa.schema(fields))

    def _masked(self, values: pa.Array, policy: ColumnPolicy) -> pa.Array:
        if policy.mask == "truncate":
            return _truncated(values, policy.keep)
        return self._redacted(values) if policy.mask == "redact" else self._hashed(values)

    @staticmethod
    def _redacted(values: pa.Array) -> pa.Array:
        return pc.if_else(values.is_valid(), pa.scalar(REDACTED), pa.scalar(None, pa.string()))

    def _hashed(self, values: pa.Array) -> pa.Array:
        key = self.key or b""
        # Text and bytes as they are; numbers and times as Arrow writes them, which has one form for one value.
        data = values if pa.types.is_binary(values.type) else values.cast(pa.string()).cast(pa.binary())
        digests = [None if value is None else hmac.digest(key, value, hashlib.sha256).hex() for value in data.to_pylist()]
        return pa.array(digests, pa.string())


def _truncated(values: pa.Array, keep: int | str | None) -> pa.Array:
    """The first characters of texts (code points: none is cut in half), or the first moment of the year or month of times."""
    if isinstance(keep, int):
        return pc.utf8_slice_codeunits(values, 0, keep)
    return pc.floor_temporal(values, unit=keep)


def needs_key(policies: Mapping[str, ColumnPolicy]) -> bool:
    """Whether some column is hashed."""
    return any(policy.mask == "hash" for policy in policies.values())

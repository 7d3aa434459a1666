"""Which publisher makes a contract's rows visible: nothing else knows the format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tributary.publishers.proven_store import prove_conditional_writes

if TYPE_CHECKING:
    from tributary.core.contract import Contract
    from tributary.hooks.lake import LakeHook
    from tributary.publishers.published import Publisher


def publisher_for(contract: Contract, hook: LakeHook) -> Publisher:
    """The publisher of the contract's mode and format.

    :raises LakeError: where the store ignores conditional writes.
    """
    prove_conditional_writes(hook, contract.lake.prefix)
    if contract.format == "parquet":
        from tributary.publishers.parquet_object import ParquetObject

        return ParquetObject(hook, contract)
    if contract.mode == "merge":
        from tributary.publishers.delta_merge import DeltaMerge

        return DeltaMerge(hook, contract)
    from tributary.publishers.delta_replace import DeltaReplace

    return DeltaReplace(hook, contract)

"""Types that the lake has no exact type for: refused by name before a row is read."""

from __future__ import annotations

from benchmarks.conformance.case import Case, Refusal

CASES = (
    Case("UUID", "'0190163d-8694-739a-ade9-a92d7d9b6e9c'", Refusal("0190163d-8694-739a-ade9-a92d7d9b6e9c"), "MariaDB's UUID", ("mariadb",)),
    Case("INET6", "'2001:db8::ff00:42:8329'", Refusal("2001:db8::ff00:42:8329"), "MariaDB's INET6", ("mariadb",)),
    Case("VECTOR(2)", "STRING_TO_VECTOR('[1,2]')", Refusal(bytes.fromhex("0000803F00000040")), "MySQL's VECTOR", ("mysql",)),
)

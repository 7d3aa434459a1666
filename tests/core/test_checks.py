import pytest

from tributary.core.checks import Check, parse_checks
from tributary.core.errors import ContractError

TEXT = """\
-- Checks of orders: each query selects the rows that break a rule.

-- #fail total_is_not_negative
-- a comment of the rule
SELECT order_id, total FROM new_rows WHERE total < 0;

-- #warn rare
SELECT 1
WHERE 'a;b' = 'c'
"""


def test_each_header_begins_a_check() -> None:
    assert parse_checks(TEXT, "orders/checks.sql") == [
        Check("total_is_not_negative", "fail", "-- a comment of the rule\nSELECT order_id, total FROM new_rows WHERE total < 0"),
        Check("rare", "warn", "SELECT 1\nWHERE 'a;b' = 'c'"),
    ]


def test_a_file_of_comments_has_no_check() -> None:
    assert parse_checks("-- nothing yet\n\n", "f") == []
    assert parse_checks("", "f") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1;\n-- #fail a\nSELECT 1", r"f:1: a query stands before the first header"),
        ("SELECT 1", r"f:1: a query stands before the first header"),
        ("\n-- #fail a\n\n-- only a comment\n-- #warn b\nSELECT 1", r"f:2: check 'a' has no query"),
        ("-- #fail a\nSELECT 1\n-- #warn a\nSELECT 1", r"f:3: check 'a' stands twice"),
        ("-- #error a\nSELECT 1", r"f:1: #error is unknown; write `-- #fail <name>`"),
        ("-- #fail\nSELECT 1", r"f:1: '' is no name"),
        ("-- #fail Total Is Good\nSELECT 1", r"f:1: 'Total Is Good' is no name"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        parse_checks(text, "f")

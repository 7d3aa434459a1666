"""Which definitions and triggers stamp a column: spelled as MariaDB and MySQL spell them in information_schema."""

import pytest

from tributary.core.stamps import Stamps, column_stamps, trigger_stamps


@pytest.mark.parametrize(
    ("default", "extra", "expression", "expected"),
    [
        ("current_timestamp(6)", "on update current_timestamp(6)", None, Stamps(on_insert=True, on_update=True)),  # MariaDB
        ("CURRENT_TIMESTAMP", "DEFAULT_GENERATED on update CURRENT_TIMESTAMP", "", Stamps(on_insert=True, on_update=True)),  # MySQL
        ("now(6)", "DEFAULT_GENERATED", "", Stamps(on_insert=True)),
        ("utc_timestamp()", "", None, Stamps(on_insert=True)),
        (None, "STORED GENERATED", "ROW START", Stamps(on_insert=True, on_update=True)),
        (None, "STORED GENERATED", "ROW END", Stamps()),
        (None, "", None, Stamps()),
        ("NULL", "", None, Stamps()),
        ("'2026-01-01 00:00:00'", "", None, Stamps()),
        ("(now() - interval 1 day)", "DEFAULT_GENERATED", "", Stamps()),
        (None, "on update current_timestamp(6)", None, Stamps(on_update=True)),
    ],
)
def test_a_definition_says_when_the_server_stamps(default: str | None, extra: str, expression: str | None, expected: Stamps) -> None:
    assert column_stamps(default, extra, expression) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("SET NEW.at = NOW(6)", True),
        ("set new . `at` := current_timestamp", True),
        ("BEGIN\n  SET NEW.at = SYSDATE(6);\nEND", True),
        ("SET NEW.at = NEW.made_at", False),
        ("IF NEW.state <> OLD.state THEN SET NEW.at = NOW(6); END IF", False),
        ("SET NEW.at = NOW() - INTERVAL 1 DAY", False),
        ("SET NEW.at2 = NOW(6)", None),
        ("SET NEW.name = TRIM(NEW.name)", None),
        ("INSERT INTO log VALUES (OLD.at)", None),
    ],
)
def test_only_a_trigger_that_stamps_every_row_counts(body: str, expected: bool | None) -> None:
    assert trigger_stamps(body, "at") is expected

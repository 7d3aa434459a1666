-- Adds what the customer paid for the line. Source: the view `extracted`, the rows of one day; grain: one row per line, unchanged.
SELECT
    *,
    CAST(quantity * unit_price * (1 - discount) AS DECIMAL(14, 2)) AS line_total
FROM extracted

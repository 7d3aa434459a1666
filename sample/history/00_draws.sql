-- Random draws and the shop's clock. Variables: seed, first_day, days and the wanted row counts.

-- Uniform in [0, 1), fixed by seed, purpose and row alone. MD5 and not hash(): the same rows on every DuckDB version.
CREATE MACRO draw(purpose, id) AS
  (md5_number_lower(concat_ws('/', getvariable('seed'), purpose, id)) >> 11)::DOUBLE / 9007199254740992.0;
CREATE MACRO pick(choices, u) AS choices[1 + floor(u * len(choices))::BIGINT];
-- A rank in [0, n), low ranks much more often: the continuous form of Zipf's law with exponent 1 - 1/skew.
CREATE MACRO zipf_rank(n, u, skew) AS floor(n * pow(u, skew))::BIGINT;
CREATE MACRO exponential_s(mean_s, u) AS to_microseconds((-mean_s * 1e6 * ln(1.0 - u))::BIGINT);
CREATE MACRO uuid_text(purpose, id) AS
  CAST(md5(concat_ws('/', getvariable('seed'), purpose, id)) AS UUID)::VARCHAR;

CREATE TABLE bounds AS
SELECT
  getvariable('first_day')::TIMESTAMP AS starts_at,
  getvariable('first_day')::TIMESTAMP + to_days(getvariable('days')::INTEGER) AS ends_at;

-- One row per hour: the share of the history's traffic that falls into it. It grows by half over the history,
-- peaks on Mondays and at 20:00, sleeps at night, and no two days are alike.
CREATE TABLE hours AS
WITH weighted AS (
  SELECT
    starts_at + to_hours(h::INTEGER) AS hour_start,
    (1 + 0.5 * h / (24 * getvariable('days')))
    * pick([1.15, 1.05, 1.0, 1.0, 0.95, 0.8, 0.9], (isodow(starts_at + to_hours(h::INTEGER)) - 0.5) / 7)
    * (0.25 + pow(sin(pi() * (((h + 20) % 24) / 24.0)), 2) + 0.6 * exp(-pow((h % 24) - 20, 2) / 6.0))
    * (0.85 + 0.3 * draw('day', h // 24)) AS weight
  FROM bounds, range(24 * getvariable('days')) AS r (h)
)
SELECT
  hour_start,
  weight / sum(weight) OVER () AS share,
  coalesce(sum(weight) OVER (ORDER BY hour_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
  / sum(weight) OVER () AS share_before
FROM weighted;
-- The moment at which the share u of all traffic has passed; for use with: ASOF JOIN hours ON u >= share_before.
CREATE MACRO moment(hour_start, share_before, share, u) AS
  hour_start + to_microseconds(least(3599999999, floor((u - share_before) / share * 3600e6))::BIGINT);

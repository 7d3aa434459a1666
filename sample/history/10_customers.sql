-- Grain: one customer. Most joined during the three years before the history; ids follow created_at.
-- updated_at lies within the history, so that every table can be loaded from first_day on.
CREATE TABLE customers AS
WITH joined AS (
  SELECT
    i AS customer_id,
    getvariable('customers') AS n,
    (i - 1 + draw('customer.joined', i)) / n AS u
  FROM range(1, getvariable('customers') + 1) AS r (i)
),
dated AS (
  SELECT customer_id, CASE
    WHEN u < 0.7 THEN starts_at - to_microseconds(floor((1 - u / 0.7) * 3 * 365 * 86400e6)::BIGINT + 1)
    ELSE moment(hour_start, share_before, share, (u - 0.7) / 0.3)
  END AS created_at
  FROM joined ASOF JOIN hours ON greatest(0, (joined.u - 0.7) / 0.3) >= hours.share_before CROSS JOIN bounds
)
SELECT
  customer_id,
  concat_ws('.', pick(p.given_latin, g), pick(p.family_latin, f)) || customer_id || '@example.' ||
    lower(p.country) AS email,
  CASE WHEN draw('customer.phone', customer_id) < 0.8 THEN
    p.dial || ' ' || (100 + floor(900 * draw('customer.area', customer_id)))::INTEGER || '-' ||
    lpad(floor(1e7 * draw('customer.line', customer_id))::BIGINT::VARCHAR, 7, '0') END AS phone,
  CASE WHEN p.country IN ('JP', 'CN', 'KR') THEN pick(p.family, f) || pick(p.given, g)
    ELSE pick(p.given, g) || ' ' || pick(p.family, f) END AS full_name,
  p.country,
  CASE WHEN draw('customer.birth', customer_id) < 0.9 THEN
    DATE '1938-01-01' + (floor(25500 * draw('customer.birthday', customer_id)))::INTEGER END AS birth_date,
  CASE WHEN draw('customer.points', customer_id) < 0.02 THEN -50
    ELSE floor(20000 * pow(draw('customer.points', customer_id), 6))::INTEGER END AS loyalty_points,
  (draw('customer.active', customer_id) < 0.97)::TINYINT AS is_active,
  created_at,
  greatest(created_at, starts_at) + to_microseconds(floor(
    pow(draw('customer.updated', customer_id), 3) * (epoch_us(ends_at) - epoch_us(greatest(created_at, starts_at)))
  )::BIGINT) AS updated_at
FROM (
  SELECT *, draw('customer.given', customer_id) AS g, draw('customer.family', customer_id) AS f,
    100 * draw('customer.country', customer_id) AS c
  FROM dated
) AS drawn
JOIN people AS p ON drawn.c >= p.share_from AND drawn.c < p.share_to
CROSS JOIN bounds
ORDER BY customer_id;

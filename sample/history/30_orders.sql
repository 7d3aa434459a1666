-- Grain: one order and its life so far: ids follow created_at, status is what has happened before the history ends.
CREATE TABLE placed AS
SELECT
  order_id,
  moment(hour_start, share_before, share, u) AS created_at,
  1 + least(7, floor(-1.35 * ln(1 - draw('order.items', order_id))))::INTEGER AS item_count
FROM (
  SELECT i AS order_id, (i - 1 + draw('order.placed', i)) / getvariable('orders') AS u
  FROM range(1, getvariable('orders') + 1) AS r (i)
) AS drawn
ASOF JOIN hours ON drawn.u >= hours.share_before;

-- Customers known at that moment; the first ones order most.
CREATE TABLE ordered AS
SELECT placed.*, 1 + zipf_rank(c.customer_id, draw('order.customer', order_id), 2.2) AS buyer_id
FROM placed ASOF JOIN customers AS c ON placed.created_at >= c.created_at;

-- Rank times a prime, so that best sellers are spread over the ids.
CREATE TABLE order_items AS
WITH lines AS (
  SELECT order_id, created_at AS ordered_at, item_count, n, concat_ws('.', order_id, n) AS line
  FROM placed, unnest(range(1, item_count + 1)) AS t (n)
),
priced AS (
  SELECT
    *,
    1 + (zipf_rank(getvariable('products'), draw('item.product', line), 2.5) * 7919) % getvariable('products') AS product_id,
    draw('item.quantity', line) AS q,
    draw('item.discount', line) AS d,
    -- written after the order, each a little later than the one before
    least(
      ordered_at + to_microseconds((n * 4000 + floor(2.5e6 * n * pow(draw('item.delay', order_id), 8)))::BIGINT),
      ends_at - to_microseconds(1 + item_count - n)
    ) AS written_at
  FROM lines, bounds
)
SELECT
  row_number() OVER (ORDER BY written_at, order_id, n) AS order_item_id,
  order_id,
  product_id,
  CASE WHEN q < 0.72 THEN 1 WHEN q < 0.9 THEN 2 WHEN q < 0.999 THEN 3 + floor(7 * (q - 0.9) * 10) ELSE 250 END::INTEGER
    AS quantity,
  (p.price * (0.92 + 0.08 * epoch_us(written_at - starts_at) / epoch_us(ends_at - starts_at)))::DECIMAL(10, 2) AS unit_price,
  CASE WHEN d < 0.8 THEN 0 WHEN d < 0.9 THEN 0.05 WHEN d < 0.97 THEN 0.15 ELSE 0.3333 END::DECIMAL(5, 4) AS discount,
  written_at AS created_at
FROM priced JOIN products AS p USING (product_id)
ORDER BY order_item_id;

CREATE TABLE lives AS
WITH drawn AS (
  SELECT
    o.order_id, o.buyer_id, o.created_at, i.total, i.items_at,
    draw('order.fate', o.order_id) AS fate,
    i.items_at + exponential_s(1500, draw('order.paid', o.order_id)) AS pays_at,
    to_hours(4) + exponential_s(90000, draw('order.shipped', o.order_id)) AS packing,
    to_days(1) + exponential_s(180000, draw('order.delivered', o.order_id)) AS travel,
    to_hours(1) + exponential_s(40000, draw('order.cancelled', o.order_id)) AS doubt,
    draw('order.amended', o.order_id) AS amended,
    to_days(5) + exponential_s(1500000, draw('order.amendment', o.order_id)) AS remorse
  FROM ordered AS o
  JOIN (
    SELECT order_id, max(created_at) AS items_at,
      sum((quantity * unit_price::DECIMAL(20, 2) * (1 - discount)::DECIMAL(5, 4))::DECIMAL(12, 2)) AS total
    FROM order_items GROUP BY order_id
  ) AS i USING (order_id)
)
SELECT
  order_id, buyer_id, created_at, items_at, total,
  -- 4 in 100 are cancelled, half of those before they pay
  CASE WHEN (fate >= 0.02 AND fate < 0.99) AND pays_at < ends_at THEN pays_at END AS paid_at,
  CASE WHEN fate >= 0.04 AND fate < 0.99 AND pays_at + packing < ends_at THEN pays_at + packing END AS shipped_at,
  CASE WHEN fate >= 0.04 AND fate < 0.99 AND pays_at + packing + travel < ends_at THEN pays_at + packing + travel END
    AS delivered_at,
  CASE WHEN fate < 0.04 AND pays_at + doubt < ends_at THEN pays_at + doubt END AS cancelled_at,
  -- a few are touched again weeks later, and a few are deleted when all else is over
  CASE WHEN amended < 0.03 AND created_at + remorse < ends_at THEN created_at + remorse END AS amended_at,
  CASE WHEN amended > 0.985 AND pays_at + packing + travel + doubt + remorse < ends_at THEN
    pays_at + packing + travel + doubt + remorse END AS deleted_at
FROM drawn, bounds;

CREATE TABLE orders AS
SELECT
  l.order_id,
  l.buyer_id AS customer_id,
  CASE
    WHEN l.cancelled_at IS NOT NULL THEN 'cancelled'
    WHEN l.delivered_at IS NOT NULL THEN 'delivered'
    WHEN l.shipped_at IS NOT NULL THEN 'shipped'
    WHEN l.paid_at IS NOT NULL THEN 'paid'
    ELSE 'placed'
  END AS status,
  l.total::DECIMAL(12, 2) AS total,
  p.currency,
  to_json({
    'name': c.full_name,
    'street': (1 + floor(200 * draw('order.house', l.order_id)))::INTEGER::VARCHAR || ' ' ||
      pick(words.streets, draw('order.street', l.buyer_id)),
    'city': pick(p.cities, draw('order.city', l.buyer_id)),
    'postcode': lpad(floor(1e5 * draw('order.postcode', l.buyer_id))::BIGINT::VARCHAR, 5, '0'),
    'country': c.country
  })::VARCHAR AS shipping_address,
  CASE WHEN draw('order.note', l.order_id) < 0.15 THEN pick(words.notes, draw('order.note', l.order_id) / 0.15) END AS note,
  l.created_at,
  greatest(l.items_at, l.paid_at, l.shipped_at, l.delivered_at, l.cancelled_at, l.amended_at, l.deleted_at) AS updated_at,
  l.deleted_at
FROM lives AS l
JOIN customers AS c ON c.customer_id = l.buyer_id
JOIN people AS p ON p.country = c.country, words
ORDER BY l.order_id;

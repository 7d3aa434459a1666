-- Grain: one event. Sessions of about five events start along the shop's clock; four in ten visitors are not logged in.
CREATE TABLE page_events AS
WITH started AS (
  SELECT
    session,
    moment(hour_start, share_before, share, u) AS started_at,
    1 + least(40, floor(-4.5 * ln(1 - draw('session.length', session))))::INTEGER AS events
  FROM (
    SELECT i AS session, (i - 1 + draw('session.start', i)) / getvariable('sessions') AS u
    FROM range(1, getvariable('sessions') + 1) AS r (i)
  ) AS drawn
  ASOF JOIN hours ON drawn.u >= hours.share_before
),
visits AS (
  SELECT s.*,
    unhex(md5(concat_ws('/', getvariable('seed'), 'session', session))) AS session_id,
    pick(words.devices, draw('session.device', session)) AS device,
    pick(words.referrers, draw('session.referrer', session)) AS referrer,
    CASE WHEN draw('session.known', session) < 0.6 THEN
      1 + zipf_rank(c.customer_id, draw('session.customer', session), 2.2) END AS customer_id
  FROM started AS s ASOF JOIN customers AS c ON s.started_at >= c.created_at, words
),
steps AS (
  SELECT v.*, n,
    started_at + to_microseconds(((n - 1) * 2e7 + floor(4e7 * draw('event.pause', concat_ws('.', session, n)) * (n > 1)::INTEGER))::BIGINT)
      AS happened_at,
    draw('event.kind', concat_ws('.', session, n)) AS k,
    1 + (zipf_rank(getvariable('products'), draw('event.product', concat_ws('.', session, n)), 2.5) * 7919)
      % getvariable('products') AS product_id
  FROM visits AS v, unnest(range(1, events + 1)) AS t (n)
)
SELECT
  row_number() OVER (ORDER BY happened_at, session, n) AS event_id,
  customer_id,
  session_id,
  CASE
    WHEN k < 0.6 THEN '/p/' || product_id || '?ref=' || device
    WHEN k < 0.75 THEN '/search?q=' || pick(words.searches, (k - 0.6) / 0.15)
    WHEN k < 0.95 THEN '/p/' || product_id || '#details'
    ELSE '/cart'
  END AS url,
  CASE
    WHEN k < 0.6 THEN 'view' WHEN k < 0.75 THEN 'search' WHEN k < 0.88 THEN 'click'
    WHEN k < 0.95 THEN 'add_to_cart' WHEN k < 0.98 THEN 'checkout' ELSE 'purchase'
  END AS event,
  CASE
    WHEN n = 1 THEN '{"device": "' || device || '", "referrer": "' || referrer || '"}'
    WHEN k < 0.6 THEN '{"device": "' || device || '", "product_id": ' || product_id || ', "scroll": ' || round(k / 0.6, 3) || '}'
    ELSE '{"device": "' || device || '"}'
  END AS properties,
  CASE WHEN k < 0.6 OR k > 0.65 THEN floor(120000 * pow(k, 4))::INTEGER END AS duration_ms,
  happened_at AS created_at
FROM steps, words, bounds
WHERE happened_at < ends_at
ORDER BY event_id;

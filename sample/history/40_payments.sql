-- Grain: one payment. Three orders in a hundred are paid in two parts; a few payments are corrected days later.
CREATE TABLE payments AS
WITH parts AS (
  SELECT
    l.order_id, l.paid_at AS ordered_paid_at, part, concat_ws('.', l.order_id, part) AS payment,
    CASE part
      WHEN 1 THEN CASE WHEN split THEN (l.total * 0.4)::DECIMAL(12, 2) ELSE l.total END
      ELSE l.total - (l.total * 0.4)::DECIMAL(12, 2)
    END AS amount
  FROM (SELECT *, draw('payment.split', order_id) < 0.03 AS split FROM lives WHERE paid_at IS NOT NULL) AS l,
    unnest(CASE WHEN split THEN [1, 2] ELSE [1] END) AS t (part)
),
dated AS (
  SELECT *,
    least(ordered_paid_at + to_seconds(30 * (part - 1)), ends_at - INTERVAL 1 MICROSECOND) AS happened_at,
    draw('payment.corrected', payment) AS corrected
  FROM parts, bounds
)
SELECT
  row_number() OVER (ORDER BY happened_at, order_id, part) AS payment_id,
  order_id,
  pick(['card', 'card', 'card', 'card', 'paypal', 'paypal', 'bank_transfer', 'gift_card', 'invoice'],
    draw('payment.method', payment)) AS method,
  amount::DECIMAL(12, 2) AS amount,
  happened_at AS paid_at,
  uuid_text('payment', payment) AS reference,
  happened_at AS created_at,
  CASE WHEN corrected < 0.02 THEN happened_at + to_microseconds(floor(corrected / 0.02 * epoch_us(ends_at - happened_at))::BIGINT)
    ELSE happened_at END AS updated_at
FROM dated
ORDER BY payment_id;

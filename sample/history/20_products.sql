-- Grain: one product. Many cheap ones, few dear ones; prices end in .99 or .50.
CREATE TABLE products AS
WITH drawn AS (
  SELECT
    i AS product_id,
    draw('product.price', i) AS p,
    draw('product.category', i) AS c,
    draw('product.weight', i) AS w,
    draw('product.updated', i) AS t
  FROM range(1, getvariable('products') + 1) AS r (i)
)
SELECT
  product_id,
  'SKU-' || lpad(to_base(product_id * 7919, 36), 7, '0') AS sku,
  pick(words.adjectives, draw('product.adjective', product_id)) || ' ' ||
    pick(words.nouns, draw('product.noun', product_id)) AS name,
  pick(words.categories, c * c) AS category,
  (floor(2 + 180 * pow(p, 3) + 1800 * pow(p, 24)) + CASE WHEN w < 0.7 THEN 0.99 ELSE 0.5 END)::DECIMAL(10, 2) AS price,
  to_json({
    'colour': pick(words.colours, draw('product.colour', product_id)),
    'size_cm': [ceil(1 + 90 * p)::INTEGER, ceil(1 + 60 * w)::INTEGER],
    'tags': CASE WHEN c < 0.2 THEN ['new', 'sale 🔥'] WHEN c < 0.5 THEN ['new'] ELSE [] END,
    'rating': round(3 + 2 * t, 1),
    'gtin': CASE WHEN p < 0.9 THEN lpad(floor(1e12 * w)::BIGINT::VARCHAR, 13, '0') END
  })::VARCHAR AS attributes,
  CASE WHEN w < 0.9 THEN 0.05 + 20 * w * p END AS weight_kg,
  (draw('product.active', product_id) < 0.95)::TINYINT AS is_active,
  starts_at + to_microseconds(floor(t * (epoch_us(ends_at) - epoch_us(starts_at)))::BIGINT) AS updated_at
FROM drawn, words, bounds
ORDER BY product_id;

-- The sample shop. Plain DDL: MariaDB 10.11 or newer, MySQL 8.4 or newer.
-- Every session runs in UTC, so a DATETIME is UTC. created_at and updated_at are stamped by the server.

CREATE TABLE customers (
  customer_id    INT UNSIGNED NOT NULL AUTO_INCREMENT,
  email          VARCHAR(254) NOT NULL,
  phone          VARCHAR(32) NULL,
  full_name      VARCHAR(200) NOT NULL,
  country        CHAR(2) NOT NULL,
  birth_date     DATE NULL,
  loyalty_points INT NOT NULL DEFAULT 0,
  is_active      TINYINT(1) NOT NULL DEFAULT 1,
  created_at     DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at     DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (customer_id),
  UNIQUE KEY customers_email (email),
  KEY customers_updated_at (updated_at)
) ENGINE = InnoDB COMMENT = 'The only table with hard deletes: customers without orders';

CREATE TABLE products (
  product_id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  sku        VARCHAR(32) NOT NULL,
  name       VARCHAR(200) NOT NULL,
  category   VARCHAR(60) NOT NULL,
  price      DECIMAL(10, 2) NOT NULL,
  attributes JSON NOT NULL,
  weight_kg  DOUBLE NULL,
  is_active  TINYINT(1) NOT NULL DEFAULT 1,
  updated_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (product_id),
  UNIQUE KEY products_sku (sku),
  KEY products_updated_at (updated_at)
) ENGINE = InnoDB;

CREATE TABLE orders (
  order_id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  customer_id      INT UNSIGNED NOT NULL,
  status           ENUM ('placed', 'paid', 'shipped', 'delivered', 'cancelled') NOT NULL DEFAULT 'placed',
  total            DECIMAL(12, 2) NOT NULL,
  currency         CHAR(3) NOT NULL,
  shipping_address JSON NOT NULL,
  note             TEXT NULL,
  created_at       DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at       DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  deleted_at       DATETIME(6) NULL,
  PRIMARY KEY (order_id),
  KEY orders_created_at (created_at),
  KEY orders_updated_at (updated_at),
  KEY orders_customer_id (customer_id),
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (customer_id)
) ENGINE = InnoDB COMMENT = 'Deleted only by deleted_at; created_at never changes';

CREATE TABLE order_items (
  order_item_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  order_id      BIGINT UNSIGNED NOT NULL,
  product_id    INT UNSIGNED NOT NULL,
  quantity      INT UNSIGNED NOT NULL,
  unit_price    DECIMAL(10, 2) NOT NULL,
  discount      DECIMAL(5, 4) NOT NULL DEFAULT 0,
  created_at    DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (order_item_id),
  KEY order_items_created_at (created_at),
  KEY order_items_order_id (order_id),
  KEY order_items_product_id (product_id),
  CONSTRAINT order_items_order FOREIGN KEY (order_id) REFERENCES orders (order_id),
  CONSTRAINT order_items_product FOREIGN KEY (product_id) REFERENCES products (product_id)
) ENGINE = InnoDB COMMENT = 'Insert-only. orders.total is the sum of ROUND(quantity * unit_price * (1 - discount), 2)';

CREATE TABLE payments (
  payment_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  order_id   BIGINT UNSIGNED NOT NULL,
  method     ENUM ('card', 'paypal', 'bank_transfer', 'gift_card', 'invoice') NOT NULL,
  amount     DECIMAL(12, 2) NOT NULL,
  paid_at    DATETIME(6) NOT NULL,
  reference  CHAR(36) NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (payment_id),
  KEY payments_updated_at (updated_at),
  KEY payments_order_id (order_id),
  CONSTRAINT payments_order FOREIGN KEY (order_id) REFERENCES orders (order_id)
) ENGINE = InnoDB;

-- customer_id has no foreign key: deleting a customer must not write to an insert-only table.
CREATE TABLE page_events (
  event_id    BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  customer_id INT UNSIGNED NULL,
  session_id  BINARY(16) NOT NULL,
  url         VARCHAR(500) NOT NULL,
  event       ENUM ('view', 'search', 'click', 'add_to_cart', 'checkout', 'purchase') NOT NULL,
  properties  JSON NOT NULL,
  duration_ms INT UNSIGNED NULL,
  created_at  TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (event_id),
  KEY page_events_created_at (created_at)
) ENGINE = InnoDB COMMENT = 'Insert-only';

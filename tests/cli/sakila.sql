-- The tables and a view of MySQL's sample database Sakila (names, types, keys and defaults as its documentation lists them), with rows of our own.
CREATE TABLE actor (actor_id SMALLINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, first_name VARCHAR(45) NOT NULL, last_name VARCHAR(45) NOT NULL,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (last_name));
CREATE TABLE country (country_id SMALLINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, country VARCHAR(50) NOT NULL,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE city (city_id SMALLINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, city VARCHAR(50) NOT NULL, country_id SMALLINT UNSIGNED NOT NULL,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, FOREIGN KEY (country_id) REFERENCES country (country_id));
CREATE TABLE address (address_id SMALLINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, address VARCHAR(50) NOT NULL, address2 VARCHAR(50),
  district VARCHAR(20) NOT NULL, city_id SMALLINT UNSIGNED NOT NULL, postal_code VARCHAR(10), phone VARCHAR(20) NOT NULL, location GEOMETRY NOT NULL,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, SPATIAL KEY (location),
  FOREIGN KEY (city_id) REFERENCES city (city_id));
CREATE TABLE category (category_id TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(25) NOT NULL,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE language (language_id TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name CHAR(20) NOT NULL,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE film (film_id SMALLINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, title VARCHAR(128) NOT NULL, description TEXT, release_year YEAR,
  language_id TINYINT UNSIGNED NOT NULL, original_language_id TINYINT UNSIGNED, rental_duration TINYINT UNSIGNED NOT NULL DEFAULT 3,
  rental_rate DECIMAL(4,2) NOT NULL DEFAULT 4.99, length SMALLINT UNSIGNED, replacement_cost DECIMAL(5,2) NOT NULL DEFAULT 19.99,
  rating ENUM('G','PG','PG-13','R','NC-17') DEFAULT 'G', special_features SET('Trailers','Commentaries','Deleted Scenes','Behind the Scenes'),
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (title));
CREATE TABLE film_actor (actor_id SMALLINT UNSIGNED NOT NULL, film_id SMALLINT UNSIGNED NOT NULL,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (actor_id, film_id));
CREATE TABLE film_category (film_id SMALLINT UNSIGNED NOT NULL, category_id TINYINT UNSIGNED NOT NULL,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (film_id, category_id));
CREATE TABLE film_text (film_id SMALLINT UNSIGNED NOT NULL PRIMARY KEY, title VARCHAR(255) NOT NULL, description TEXT,
  FULLTEXT KEY (title, description)) ENGINE = MyISAM;
CREATE TABLE store (store_id TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, manager_staff_id TINYINT UNSIGNED NOT NULL UNIQUE,
  address_id SMALLINT UNSIGNED NOT NULL, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE staff (staff_id TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, first_name VARCHAR(45) NOT NULL, last_name VARCHAR(45) NOT NULL,
  address_id SMALLINT UNSIGNED NOT NULL, picture BLOB, email VARCHAR(50), store_id TINYINT UNSIGNED NOT NULL, active BOOLEAN NOT NULL DEFAULT TRUE,
  username VARCHAR(16) NOT NULL, password VARCHAR(40) BINARY,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE customer (customer_id SMALLINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, store_id TINYINT UNSIGNED NOT NULL, first_name VARCHAR(45) NOT NULL,
  last_name VARCHAR(45) NOT NULL, email VARCHAR(50), address_id SMALLINT UNSIGNED NOT NULL, active BOOLEAN NOT NULL DEFAULT TRUE,
  create_date DATETIME NOT NULL, last_update TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE inventory (inventory_id MEDIUMINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, film_id SMALLINT UNSIGNED NOT NULL,
  store_id TINYINT UNSIGNED NOT NULL, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE rental (rental_id INT AUTO_INCREMENT PRIMARY KEY, rental_date DATETIME NOT NULL, inventory_id MEDIUMINT UNSIGNED NOT NULL,
  customer_id SMALLINT UNSIGNED NOT NULL, return_date DATETIME, staff_id TINYINT UNSIGNED NOT NULL,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, UNIQUE KEY (rental_date, inventory_id, customer_id));
CREATE TABLE payment (payment_id SMALLINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, customer_id SMALLINT UNSIGNED NOT NULL,
  staff_id TINYINT UNSIGNED NOT NULL, rental_id INT, amount DECIMAL(5,2) NOT NULL, payment_date DATETIME NOT NULL,
  last_update TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
CREATE VIEW customer_list AS SELECT customer_id AS id, CONCAT(first_name, ' ', last_name) AS name, active FROM customer;
INSERT INTO actor (first_name, last_name, last_update) VALUES ('Zoë', 'Ångström', '{day} 04:34:33'), ('Ed', 'Chase', '{day} 04:34:33');
INSERT INTO country (country, last_update) VALUES ('Réunion', '{day} 04:44:00');
INSERT INTO city (city, country_id, last_update) VALUES ('Saint-Denis', 1, '{day} 04:45:25');
INSERT INTO address (address, district, city_id, phone, location, last_update)
  VALUES ('47 MySakila Drive', 'Alberta', 1, '', ST_GeomFromText('POINT(-112.8185647 49.6999986)'), '{day} 22:30:27');
INSERT INTO category (name, last_update) VALUES ('Action', '{day} 04:46:27'), ('Sci-Fi', '{day} 04:46:27');
INSERT INTO language (name, last_update) VALUES ('English', '{day} 05:02:19'), ('日本語', '{day} 05:02:19');
INSERT INTO film (title, description, release_year, language_id, length, rating, special_features, last_update) VALUES
  ('ACADEMY DINOSAUR', 'A battle of a feminist and a teacher', 2006, 1, 86, 'PG', 'Deleted Scenes,Behind the Scenes', '{day} 05:03:42'),
  ('ACE GOLDFINGER', NULL, NULL, 2, NULL, NULL, '', '{day} 05:03:42');
INSERT INTO film_actor VALUES (1, 1, '{day} 05:05:03'), (2, 1, '{day} 05:05:03'), (2, 2, '{day} 05:05:03');
INSERT INTO film_category VALUES (1, 2, '{day} 05:07:09'), (2, 1, '{day} 05:07:09');
INSERT INTO film_text VALUES (1, 'ACADEMY DINOSAUR', 'A battle of a feminist and a teacher'), (2, 'ACE GOLDFINGER', NULL);
INSERT INTO store (manager_staff_id, address_id, last_update) VALUES (1, 1, '{day} 04:57:12');
INSERT INTO staff (first_name, last_name, address_id, picture, email, store_id, username, password, last_update)
  VALUES ('Mike', 'Hillyer', 1, X'89504E470D0A1A0A00', 'mike@example.org', 1, 'Mike', 'not-a-hash', '{day} 03:57:16');
INSERT INTO customer (store_id, first_name, last_name, email, address_id, create_date, last_update)
  VALUES (1, 'Mary', 'Smith', 'mary@example.org', 1, '{day} 22:04:36', '{day} 04:57:20'), (1, 'Ana', 'Lee', NULL, 1, '{day} 22:04:36', NULL);
INSERT INTO inventory (film_id, store_id, last_update) VALUES (1, 1, '{day} 05:09:17'), (2, 1, '{day} 05:09:17');
INSERT INTO rental (rental_date, inventory_id, customer_id, return_date, staff_id, last_update)
  VALUES ('{day} 22:53:30', 1, 1, NULL, 1, '{day} 21:30:53'), ('{day} 22:54:33', 2, 2, '{day} 23:40:33', 1, '{day} 21:30:53');
INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date, last_update)
  VALUES (1, 1, 1, 2.99, '{day} 11:30:37', '{day} 22:12:30'), (2, 1, NULL, 0.99, '{day} 11:30:37', NULL);

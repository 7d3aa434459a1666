#!/usr/bin/env bash
# The first start of an empty data folder, as the official image does it: time zones, MYSQL_ROOT_PASSWORD for root at localhost and
# MYSQL_ROOT_HOST, MYSQL_DATABASE, MYSQL_USER and MYSQL_PASSWORD, then /docker-entrypoint-initdb.d, all on a server without network.
set -euo pipefail
socket=/var/run/mysqld/mysqld.sock

sql() { MYSQL_PWD=${password:-} mysql --protocol=socket --socket="$socket" --user=root "$@"; }

if [ "${1:-}" = mysqld ] && [ "$(id -u)" = 0 ]; then
  chown mysql /var/lib/mysql /var/run/mysqld
  exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi
if [ "${1:-}" = mysqld ] && ! [ -d /var/lib/mysql/mysql ]; then
  : "${MYSQL_ROOT_PASSWORD:?the database is empty and has no root password}"
  "$@" --initialize-insecure --default-time-zone=SYSTEM
  "$@" --daemonize --skip-networking --default-time-zone=SYSTEM --socket="$socket"
  mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null | sed 's/Local time zone must be set--see zic manual page/FCTY/' | sql mysql
  sql <<SQL
SET @@SESSION.SQL_LOG_BIN=0;
CREATE USER 'root'@'${MYSQL_ROOT_HOST:-%}' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
GRANT ALL ON *.* TO 'root'@'${MYSQL_ROOT_HOST:-%}' WITH GRANT OPTION;
ALTER USER 'root'@'localhost' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
SQL
  password=$MYSQL_ROOT_PASSWORD
  if [ -n "${MYSQL_DATABASE:-}" ]; then sql --execute="CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`"; fi
  if [ -n "${MYSQL_USER:-}" ] && [ -n "${MYSQL_PASSWORD:-}" ]; then
    sql --execute="CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD'"
    if [ -n "${MYSQL_DATABASE:-}" ]; then sql --execute="GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%'"; fi
  fi
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) sql ${MYSQL_DATABASE:+"$MYSQL_DATABASE"} <"$file" ;;
    esac
  done
  MYSQL_PWD=$password mysqladmin --protocol=socket --socket="$socket" --user=root shutdown
fi
exec "$@"

#!/usr/bin/env bash
# As the official image: started as root it would step down; the project starts it as rabbitmq.
set -euo pipefail
if [[ $1 = rabbitmq* ]] && [ "$(id -u)" = 0 ]; then
  chown -R rabbitmq /var/lib/rabbitmq
  exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$0" "$@"
fi
exec "$@"

#!/usr/bin/env bash
# What the official entrypoint does for the commands of docker-compose.yaml: group 0, umask 0002, libstdc++ first, the checks of
# database and broker (CONNECTION_CHECK_MAX_COUNT, 0 = none), then `bash` and `python` as they are and everything else as `airflow …`.
set -euo pipefail
LD_PRELOAD=/usr/lib/$(uname -m)-linux-gnu/libstdc++.so.6
export LD_PRELOAD
unset PIP_USER
if [ "$(id -g)" != 0 ] && [ "$(id -u)" != 50000 ]; then
  echo "ERROR! You should run the image with GID=0" >&2
  exit 1
fi
umask 0002
if ! whoami >/dev/null 2>&1; then
  if [ -w /etc/passwd ]; then echo "default:x:$(id -u):0:default user:$AIRFLOW_USER_HOME_DIR:/sbin/nologin" >> /etc/passwd; fi
  export HOME=$AIRFLOW_USER_HOME_DIR
fi
count=${CONNECTION_CHECK_MAX_COUNT:-20}

retry() {
  local left=$count
  until "$@"; do
    left=$((left - 1))
    if [ "$left" -le 0 ]; then echo "ERROR! Maximum number of retries ($count) reached: $*" >&2; exit 1; fi
    sleep "${CONNECTION_CHECK_SLEEP_TIME:-3}"
  done
}

if [ "$count" -gt 0 ]; then retry airflow db check; fi
if [ -n "${_AIRFLOW_DB_MIGRATE:-}" ]; then airflow db migrate; fi
case ${1:-} in
  bash) shift; exec /bin/bash "$@" ;;
  python) shift; exec python "$@" ;;
  airflow) shift ;;
esac
if [[ ${1:-} =~ ^(scheduler|celery)$ ]] && [ "$count" -gt 0 ]; then
  address=$(airflow config get-value celery broker_url | sed -E 's#.*@([^/:]+):([0-9]+).*#\1 \2#')
  # shellcheck disable=SC2086  # host and port
  retry nc -z $address
fi
exec airflow "$@"

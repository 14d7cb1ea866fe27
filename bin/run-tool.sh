#!/bin/sh
# Starts one of the CLI package's commands: run-tool.sh NAME [arguments]. Every other script here calls this one.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
main="$here/../packages/cli/dist/main.js"
if [ ! -f "$main" ]; then
  echo "Odradek is not built yet: run 'npm install && npm run build' in $(dirname -- "$here") first." >&2
  exit 1
fi
# A server that lives long is worth a look at its garbage a little more often: up to 24 MB less for young objects.
if [ "$1" = zookeeper-server-start ]; then exec node --max-semi-space-size=8 "$main" "$@"; fi
# The first number is for what unfolds compressed batches outside of V8's heap: it would look through all of a small heap for every few of
# them. The second lets the heap grow to twice of what lives in it before it is looked through, not to four times.
server="--initial-old-space-size=64 --heap-growing-percent=100"
# shellcheck disable=SC2086 # Two options.
case "$1" in kafka-server-start | start) exec node $server "$main" "$@" ;; esac
exec node "$main" "$@"

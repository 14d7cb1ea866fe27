#!/bin/sh
# Starts one of the CLI package's commands: run-tool.sh NAME [arguments]. Every other script here calls this one.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
main="$here/../packages/cli/dist/main.js"
if [ ! -f "$main" ]; then
  echo "Odradek is not built yet: run 'npm install && npm run build' in $(dirname -- "$here") first." >&2
  exit 1
fi
exec node "$main" "$@"

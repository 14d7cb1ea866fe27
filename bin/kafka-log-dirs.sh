#!/bin/sh
exec "$(dirname -- "$0")/run-tool.sh" kafka-log-dirs "$@"

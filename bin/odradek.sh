#!/bin/sh
# Any tool of this distribution by its name: odradek.sh TOOL [options]; without a name, the list of them.
exec "$(dirname -- "$0")/run-tool.sh" "$@"

#!/usr/bin/env bash
# Make the hash-checked constraints again. Needs `uv` on the PATH. No index address ends up in the files.
set -euo pipefail
cd "$(dirname "$0")/.."
compile=(uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet
         --custom-compile-command scripts/lock.sh)
"${compile[@]}" "$@" constraints/runtime.in -o constraints/runtime.txt
"${compile[@]}" "$@" --no-deps constraints/model.in -o constraints/model.txt
"${compile[@]}" "$@" --override constraints/override.in -c constraints/runtime.txt constraints/test.in -o constraints/test.txt
"${compile[@]}" "$@" --override constraints/override.in -c constraints/test.txt constraints/harness.in -o constraints/harness.txt
for client in constraints/clients/*.in constraints/peers/*.in constraints/corpus/*.in; do
  "${compile[@]}" "$@" "$client" -o "${client%.in}.txt"
done

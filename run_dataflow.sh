#!/usr/bin/env bash
# Starts a job on Dataflow:
#   ./run_dataflow.sh --project P --region R --bucket gs://B \
#       --input 'gs://B/clicks/*.csv' --output gs://B/dataset --label clicked
# Takes every flag of presample and of Beam, and checks them all before anything starts: docs/dataflow.md.
# Runs the Python of the active environment, else of .venv beside this file, else python3.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
installed='import importlib.util, sys; sys.path = sys.path[1:]; sys.exit(not importlib.util.find_spec("presample"))'
for python in "${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}" "$root/.venv/bin/python" "$(command -v python3 || true)"; do
    if [[ -x "$python" ]] && "$python" -c "$installed"; then
        exec "$python" -m presample dataflow launch "$@"
    fi
done
echo "presample: no Python here has presample. Install it with: python3 -m venv '$root/.venv' &&" \
    "'$root/.venv/bin/pip' install -c '$root/constraints.txt' -e '${root}[gcp]'" >&2
exit 2

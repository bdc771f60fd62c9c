#!/usr/bin/env bash
# Ray's tests, in a process of their own: a process that is connected to a Ray node ends at once when that node does, without
# a word. Where that happens pytest leaves no report; then what Ray's logs say of it is shown, and the tests are run once more.
# Tests that fail are never run again.
set -uo pipefail
pytest=$1
report=$(mktemp -d)/report.xml

for _ in first second; do
  "$pytest" -q -m ray --junit-xml="$report" && exit 0
  [ -e "$report" ] && exit 1
  echo "the Ray node of the tests died; the ends of its logs:"
  tail -n 20 /tmp/ray/session_latest/logs/{raylet,gcs_server,runtime_env_agent,dashboard_agent}.{out,err} 2>/dev/null
done
exit 1

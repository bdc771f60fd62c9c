#!/usr/bin/env bash
# Ray's tests, in a process of their own: a process that is connected to a Ray node ends at once when that node does, without
# a word, or waits for ever for an answer of Ray's. Where either happens pytest leaves no report; then what Ray's logs say of it
# is shown, and the tests are run once more. Tests that fail are never run again.
set -uo pipefail
pytest=$1
report=$(mktemp -d)/report.xml
export RAY_worker_niceness=0  # Ray's own 15 leaves its processes next to nothing of cores that others use as well
minutes=12  # three times what they take on two idle cores

for _ in first second; do
  timeout --kill-after=30 "${minutes}m" "$pytest" -q -m ray $(grep -rlE "mark\.ray" tests) -o faulthandler_timeout=240 --junit-xml="$report" && exit 0
  [ -e "$report" ] && exit 1
  echo "the Ray node of the tests died, or they took over $minutes minutes; the ends of its logs:"
  tail -n 20 /tmp/ray/session_latest/logs/{raylet,gcs_server,runtime_env_agent,dashboard_agent}.{out,err} 2>/dev/null
done
exit 1

#!/usr/bin/env bash
# The latency check of a change, on this machine as in CI: export and measure the base and the
# change, compare them, write the report. In a GitHub job both go to the job's summary.
#
#   tools/latency.sh [BASE] [OUT]        BASE: a commit, main by default; OUT: latency by default
#
# Gated (exit code 6): what no machine changes (instructions on an emulated ARM core, delegate,
# operators, size, agreement). This computer's times are shown and only warn.
#   MODELS    names or globs, seaformer_t by default       FORMATS   executorch,onnx by default
#   SIZE      HxW, the model's own by default              PHONE     a serial: measured too
#   DEVICES   "emulator host" by default                   ALLOW     facts that may get worse
#   PYTHON    .venv/bin/python where there is one, else python3
set -euo pipefail
cd "$(dirname "$0")/.."
base=${1:-main}
out=${2:-latency}
models=${MODELS:-seaformer_t}
formats=${FORMATS:-executorch,onnx}
devices=${DEVICES-emulator host}
if [ -n "${PHONE:-}" ]; then devices="$devices $PHONE"; fi
if [ -x .venv/bin/python ]; then python=$PWD/.venv/bin/python; else python=$(command -v python3); fi
python=${PYTHON:-$python}

commit=$(git rev-parse --verify --quiet --end-of-options "$base^{commit}") || {
  echo "latency.sh: $base is not a commit here; fetch it, or name another: tools/latency.sh BASE" >&2
  exit 2
}
mkdir -p "$out"
out=$(cd "$out" && pwd)
tree=$(mktemp -d)
trap 'git worktree remove --force "$tree" 2>/dev/null || rm -rf "$tree"' EXIT
git worktree add --quiet --detach "$tree" "$commit"

# One side: the package of folder $1 measures into $2. A number that cannot be trusted (5) is a row
# with the reason; every other failure ends the check.
measure() {
  local device options
  for device in $devices; do
    options=(--repeats 3)
    if [ "$device" = emulator ]; then options=(--repeats 1); fi
    if [ -n "${SIZE:-}" ]; then options+=(--size "$SIZE"); fi
    echo "== $2, $device" >&2
    # From within the folder: python -m looks there first, whatever is installed.
    (cd "$1" && PYTHONPATH=$1 "$python" -m seaformer bench --model "$models" --format "$formats" \
      --device "$device" --threads 1 "${options[@]}" --results "$out/$2") \
      >"$out/$2-${device//:/-}.txt" || [ $? = 5 ]
  done
}
measure "$tree" base
measure "$PWD" new

seaformer() { PYTHONPATH=$PWD "$python" -m seaformer "$@"; }
seaformer report --results "$out/new" >/dev/null
seaformer compare "$out/base" "$out/new" --no-gate --format benchmark >"$out/benchmark.json"
seaformer compare "$out/base" "$out/new" --no-gate --format md >"$out/compare.md"
format=text
if [ -n "${GITHUB_ACTIONS:-}" ]; then format=github; fi
status=0
seaformer compare "$out/base" "$out/new" --format "$format" --allow "${ALLOW:-}" || status=$?
if [ "$format" = github ]; then seaformer report --results "$out/new" --github >/dev/null; fi
exit "$status"

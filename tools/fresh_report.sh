#!/usr/bin/env bash
# A report from a small fresh run, checked: it is made of that run alone, it is the same when it is
# made again, and it fetches nothing from elsewhere.
#
#   tools/fresh_report.sh [FOLDER]       FOLDER is kept; without it a scratch folder is used
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -x .venv/bin/python ]; then python=$PWD/.venv/bin/python; else python=$(command -v python3); fi
python=${PYTHON:-$python}
seaformer() { "$python" -m seaformer "$@"; }
fail() { echo "fresh_report.sh: $1" >&2; exit 1; }

if [ -n "${1:-}" ]; then folder=$1; else folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; fi
results=$folder/results
seaformer bench --variant t --size 64x64 --format executorch,onnx --threads 1 \
  --runs 30 --warmup 5 --repeats 2 --results "$results" || [ $? = 5 ]
seaformer report --results "$results" >/dev/null
for file in report.md report.html report.svg tables/latency.csv; do
  [ -s "$results/$file" ] || fail "$file is missing or empty"
done
"$python" - "$results" <<'PYTHON'
import csv, json, pathlib, re, sys

from seaformer.report import stale
from seaformer.report.zoo import zoo_rows
from seaformer.store.results import ResultStore

results = pathlib.Path(sys.argv[1])
runs = [json.loads(path.read_text()) for path in results.glob("runs/*/*.json")]
assert len(runs) == 2, f"expected 2 runs, found {len(runs)}"
again = stale(results, ResultStore(results).load(), zoo_rows())
assert again == [], f"not the same when made again: {again}"
rows = list(csv.DictReader((results / "tables/latency.csv").open()))
assert len(rows) == 2, f"expected 2 rows, found {len(rows)}"
page = (results / "report.html").read_text()
for run in runs:
    assert run["id"] in page, f"{run['id']} is not in report.html"
    assert any(abs(float(row["median_ms"]) - run["median_ms"]) < 1e-3 for row in rows)
fetched = re.findall(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["'](?!data:|#)""", page)
assert not fetched, f"report.html fetches something: {fetched}"
print(f"fresh report: {len(runs)} runs, {len(page) / 1e6:.2f} MB of report.html")
PYTHON
# On a busy machine both rows may be unstable, and what is not judged ends a comparison with 6; a run
# that is compared with itself has to be judged the same either way, so latency alone is let through.
seaformer compare "$results" "$results" --allow latency >/dev/null || fail "a run is worse than itself"

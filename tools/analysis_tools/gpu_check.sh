#!/usr/bin/env bash
# Five minutes on a GPU that is lent for a short time, without data: that losses, memories, training steps and the
# evaluation are the CPU's, and how fast they are.
#   tools/analysis_tools/gpu_check.sh            on the GPU
#   tools/analysis_tools/gpu_check.sh cpu small  the same checks on a CPU, small
# Each part is run whatever became of the one before; the exit status says whether all went well.
set -uo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../launchers.sh"
here=$(dirname "${BASH_SOURCE[0]}")
device=${1:-cuda} size=${2:-full} status=0
[ "$size" = full ] || [ "$size" = small ] || die "expected full or small, got '$size'"
export IBN_R50_WEIGHTS=none TEACHER_CHECKPOINT=none

run() {
  printf '\n== %s\n' "$*"
  timeout 150 "$PYTHON" "$here/$1" "${@:2}" --device "$device" || status=1
}

if [ "$size" = small ]; then
  run gpu_check.py --config tdn_r18ibn_synth_wo-teacher --shape 96 128
  run benchmark_eval.py --shape prw --fractions 0.001 --dim 16 --rounds 1 --loop-queries 3
  exit "$status"
fi
run gpu_check.py
# Images a second; the paper has 34.3 of TDN and 11.5 of OIM* (table VI, on another GPU).
run benchmark.py tdn_r50ibn_prw_wo-teacher --compare tdn_r50ibn_prw_oim-star --shape 900 1500 --rounds 30 --warm-up 5
run benchmark.py tdn_r50ibn_prw_wo-teacher --compare tdn_r50ibn_prw_oim-star --shape 900 1500 --rounds 30 --warm-up 5 --amp
run benchmark.py tdn_r50ibn_prw_wo-teacher --train --rounds 5 --warm-up 2
# Equal to the loop of public code on a few queries.
for shape in prw cuhk; do
  run benchmark_eval.py --shape "$shape" --fractions 1 --rounds 3 --loop-queries 20
done
exit "$status"

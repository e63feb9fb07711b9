#!/usr/bin/env bash
# Runs nvcc and turns ptxas's report into a table, a line for each kernel and architecture, kept in
# FOLDER/SOURCE.txt, with a summary in the build's log. What nvcc says to people stays on the screen.
#
# usage: kernel_report.sh FOLDER nvcc ARGUMENT ...
set -euo pipefail
folder=$1
shift
source=
for argument in "$@"; do
    case $argument in *.cu) source=$argument ;; esac
done
mkdir -p "$folder"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"$@" >"$log" 2>&1 || status=$?
grep -vE "^ptxas info|bytes stack frame|^$" "$log" >&2 || true
[ "$status" -eq 0 ] || exit "$status"
grep -q "Compiling entry function" "$log" || exit 0

name=$(basename "$source")
report=$folder/$name.txt
command -v c++filt >/dev/null && c++filt <"$log" >"$log.names" && mv "$log.names" "$log"
{
    printf '%-10s %9s %6s %7s  %s\n' architecture registers shared spilled kernel
    awk '
        /Compiling entry function/ {
            kernel = $0
            sub(/.*entry function ./, "", kernel)
            architecture = kernel
            sub(/. for .*/, "", kernel)
            sub(/^void /, "", kernel)
            sub(/\(anonymous namespace\)::/, "", kernel)
            sub(/\(.*/, "", kernel)
            sub(/.* for ./, "", architecture)
            sub(/.$/, "", architecture)
        }
        /bytes spill stores/ { spilled = $5 }
        /Used [0-9]+ registers/ {
            registers = shared = 0
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^registers/) registers = $(i - 1)
                if ($i ~ /^smem/) shared = $(i - 2)
            }
            printf "%-12s %9d %6d %7d  %s\n", architecture, registers, shared, spilled, kernel
        }' "$log" | sort -V
} >"$report"
awk -v name="$name" -v report="$report" '
    NR > 1 { if ($2 > most) most = $2; spilled += $4 }
    END {
        printf "%s: %d kernels compiled, at most %d registers, %d bytes spilled; see %s\n",
            name, NR - 1, most, spilled, report
    }' "$report"

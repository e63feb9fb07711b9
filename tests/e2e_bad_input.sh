#!/usr/bin/env bash
# Every line of tests/data/bad_input/table.txt: a command that must fail, its exit code, and what it
# must say. Nothing may be left behind by any of them.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh
cp "$ROOT"/tests/data/bad_input/* .

# Files that are no text.
printf '\377\376a\0,\0b\0\n\0' >utf16.csv
printf 'a,b\n1,\0002\n' >nul.csv
gzip -c good.csv | head -c 30 >cut.csv.gz
npy() { # npy FILE DESCR SHAPE: a header, then standard input
    local header
    header=$(printf '%-117s' "{'descr': '$2', 'fortran_order': False, 'shape': $3, }")
    { printf '\223NUMPY\001\000\166\000%s\n' "$header" && cat; } >"$1"
}
printf '\0\0\200\077\0\0\0\100\0\0\100\100\0\0\200\100' | npy good.npy '<f4' '(4, 1)'
printf '\0\0\200\077\0\0\0\100' | npy cut.npy '<f4' '(4, 1)'
printf '\0\0\200\077\0\0\300\177\0\0\100\100\0\0\200\100' | npy nan.npy '<f4' '(4, 1)'
printf '\0\0\200\077\0\0\200\177\0\0\100\100\0\0\200\100' | npy inf.npy '<f4' '(4, 1)'
printf '\0\0\200\077\0\0\0\100\0\0\100\100\0\0\200\100' | npy cube.npy '<f4' '(2, 2, 1)'
printf '\0\0\200\077\0\0\0\100\0\0\100\100\0\0\200\100' | npy object.npy '|O' '(2, 1)'
head -c 96 /dev/zero | npy six.npy '<f4' '(4, 6)'
printf 'no array at all' >text.npy
printf 'a,w\n1,1\n4,-2\n7,1\n11,3\n' >fair_labels.csv
printf 'f0,f1,f2,f3,f4,f5\n1,2,3,4,5,6\n1,2\n1,2,3,4,5,6\n' >ragged_six.csv
cp good.npy stale.npy
echo '{"format": "blackspot-encoder", "version": 1, "features": ["a", "b"], "encoder": {}}' \
    >stale.encoder.json
seq -s , 20001 >wide.csv
blackspot train kmeans --k 2 --input good.csv --output encoded.json >stdout 2>stderr
blackspot train gmm --k 2 --covariance diag --input good.csv --output mixture.json >stdout 2>stderr
sed 's/"type": "number"/"type": "numbr"/' encoded.json >wrong_type.json
sed 's/^  "features": \["a"/  "features": ["z"/' encoded.json >other_names.json
sed 's/"converged": true/"converged": 1/' model.json >number_converged.json
trees=$ROOT/tests/reference/trees
cp "$trees/xgboost/3.2.0_squared.json" trees.json
head -c 2000 trees.json >cut_trees.json
sed 's/"name":"gbtree"/"name":"gblinear"/' trees.json >linear.json
sed 's/"attributes":{}/"attributes":{"blackspot_encoder":"{"}/' trees.json >bare_encoder.json
sed 's/"sum_hessian":\[[^]]*\]/"sum_hessian":[]/g' trees.json >coverless.json
cp "$trees/lightgbm/4.7.0_linear.txt" linear.txt
head -n 30 "$trees/lightgbm/4.7.0_binary.txt" >cut_light.txt
mkdir folder
listing() {
    find . -mindepth 1 -not -name before -not -name stdout -not -name stderr | sort
}
listing >before

lines=0
while IFS= read -r line; do
    case $line in '' | '#'*) continue ;; esac
    code=${line%% *}
    rest=${line#* }
    command=${rest%% :: *}
    pattern=${rest#* :: }
    lines=$((lines + 1))
    got=0
    eval "$command" >stdout 2>stderr </dev/null || got=$?
    [ "$got" -eq "$code" ] || fail "exit code $got instead of $code: $command"
    [ ! -s stdout ] || fail "words on standard output: $command"
    grep -v '^\(info\|warning\): ' stderr >message || true
    [ "$(wc -l <message)" -eq 1 ] || fail "not one line of message: $command"
    says message "^blackspot[a-z ]*: .*$pattern"
    rm message
    listing | diff before - ||
        fail "files came or went: $command"
done <"$ROOT/tests/data/bad_input/table.txt"
[ "$lines" -ge 30 ] || fail "only $lines lines in the table"
echo "$lines bad inputs refused in words"

#!/usr/bin/env bash
# From raw files to a model: what the result line says, who overrules whom, weights, initial centres,
# and every way to give the same data.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

year=$ROOT/data/gb-2015/Accidents_2015.csv.gz
config=$ROOT/config/gb-2015.yaml

# ---- The main job.
expect 0 train kmeans --config "$config" --k 5 --output year.json --metrics metrics.json --table \
    --plots plots
one_line
is command 'train kmeans'
is model year.json
is rows 140038
is k 5
is converged true
says stdout '"seconds":\{"read":[0-9.e-]+,"prepare":[0-9.e-]+,.*"fit":[0-9.e-]+,"write":[0-9.e-]+,"total":[0-9.e-]+\}\}$'
says stderr '^ +all +140,038 +100\.0 %'
grep -q '<svg' plots/clusters.svg || fail "clusters.svg is no picture"
head -c 8 plots/clusters.png | grep -q PNG || fail "clusters.png is no picture"
says metrics.json '"inertia":'
cp metrics.json metrics_first.json
expect 0 train kmeans --config "$config" --k 5 --output again.json --metrics metrics.json
same metrics.json metrics_first.json "metrics of two runs"
same year.json again.json "two runs"

# Under 64 MB of resident memory, and refused when there is less than it takes.
if [ -z "${BLACKSPOT_SANITIZE:-}" ]; then # a sanitizer takes memory of its own
    expect 0 train kmeans --config "$config" --k 5 --output again.json --memory 64M
    same year.json again.json "with --memory"
fi
expect 1 train kmeans --config "$config" --k 5 --output never.json --memory 2M
says stderr 'needs more than the 2 MB that --memory allows'
[ ! -e never.json ] || fail "a model without memory for it"

# ---- info
expect 0 info year.json
says stdout '^year.json: KMeans, 5 clusters, '
says stdout 'units of the raw table'
expect 0 info --json year.json
one_line
[ "$(value encoder)" = true ] || fail "no encoder in the model"

# ---- prepare, then train on the matrix: the same model, encoder and all.
expect 0 prepare --config "$config" --output year.npy --report report.json
one_line
is rows 140038
[ -s report.json ] || fail "no report"
expect 0 train kmeans --input year.npy --k 5 --n-init 10 --output again.json
same year.json again.json "from the matrix that prepare wrote"

# Refused data: the report is written, nothing else is.
expect 3 prepare --config "$config" --set 'checks=[rows: [1, 1000]]' --output refused.npy \
    --report refused.json
says stderr 'rows: \[1, 1000\]: the table has 140'
[ -s refused.json ] || fail "no report about refused data"
if [ -e refused.npy ] || [ -e refused.encoder.json ]; then fail "a matrix of refused data"; fi

# ---- Configuration, --set, option: each overrules the one before.
expect 0 train kmeans --config "$config" --set kmeans.k=3 --output again.json
[ "$(value k)" = 3 ] || fail "--set does not overrule the configuration"
expect 0 train kmeans --config "$config" --set kmeans.k=3 --k 4 --output again.json
[ "$(value k)" = 4 ] || fail "an option does not overrule --set"
expect 0 train kmeans --config "$config" --k 5 --set seed=1 --seed 0 --output again.json
same year.json again.json "--seed over seed"
expect 0 train kmeans --config "$config" --set kmeans.seed=1 --seed 0 --output again.json
same year.json again.json "--seed over kmeans.seed"

# ---- Every way to give a table.
zcat "$year" | tr -d '\r' | cut -d, -f4,5,7,8 >points.csv # Longitude, Latitude, severity, vehicles
grep -v '^,' points.csv >all.csv
head -n 4001 all.csv >table.csv
gzip -k table.csv
inputs=(table.csv.gz semicolons.csv windows.csv)
if command -v zstd >/dev/null; then
    zstd -q table.csv -o table.zst
    inputs+=(table.zst)
fi
head -n 2001 table.csv >part1.csv
awk -F, -v OFS=, 'NR == 1 || NR > 2001 { print $4, $3, $2, $1 }' table.csv >part2.csv
sed 's/,/;/g' table.csv >semicolons.csv
{ printf '\357\273\277' && sed 's/$/\r/' table.csv; } >windows.csv
options=(--k 4 --output again.json)
expect 0 train kmeans --input table.csv --k 4 --output table.json
[ "$(value features)" = 4 ] || fail "features: $(value features)"
for input in "${inputs[@]}"; do
    expect 0 train kmeans --input "$input" "${options[@]}"
    same table.json again.json "$input"
done
expect 0 train kmeans --input part1.csv --input part2.csv "${options[@]}"
same table.json again.json "two files, columns in another order"
blackspot train kmeans --input - "${options[@]}" <table.csv >stdout 2>stderr || fail "no stdin"
same table.json again.json "standard input"
gzip -c table.csv | blackspot train kmeans --input - "${options[@]}" >stdout 2>stderr ||
    fail "no compressed pipe"
same table.json again.json "a compressed pipe"

# ---- Initial centres from a file, in any order of its columns; k comes from there.
{ head -n 1 table.csv && printf '%s\n' -0.15,51.5,3,1 -0.15,51.5,2,2 -0.15,51.5,3,3; } >centres.csv
awk -F, -v OFS=, '{ print $3, $1, $4, $2 }' centres.csv >turned.csv
expect 0 train kmeans --input table.csv --init centres.csv --output three.json
[ "$(value k)" = 3 ] || fail "k from the file of centres"
expect 0 train kmeans --input table.csv --init turned.csv --k 3 --output again.json
same three.json again.json "centres with turned columns"

# ---- A configuration's centres are beside it, the command line's in the working folder.
mkdir beside
mv centres.csv beside
echo 'kmeans: {init: centres.csv}' >beside/job.yaml
expect 0 train kmeans --config beside/job.yaml --input table.csv --output again.json
same three.json again.json "centres beside the configuration"
expect 1 train kmeans --config beside/job.yaml --input table.csv --init centres.csv \
    --output never.json
says stderr 'centres.csv: cannot open'
expect 1 train kmeans --config beside/job.yaml --input table.csv --set kmeans.init=centres.csv \
    --output never.json
mv beside/centres.csv .

# ---- No output takes the place of a file that is read, or of another output.
printf 'input: {files: [../table.csv]}\nkmeans: {k: 2, init: ../centres.csv}\n' >beside/job.yaml
for path in table.csv centres.csv beside/job.yaml; do
    expect 2 train kmeans --config beside/job.yaml --output "$path"
    says stderr 'is an input; it would be overwritten'
    expect 2 train kmeans --config beside/job.yaml --output never.json --metrics "$path"
    says stderr 'is an input; it would be overwritten'
done
expect 2 train kmeans --config beside/job.yaml --output never.json --metrics never.json
says stderr 'never.json is asked for two outputs'
expect 2 score --model three.json --input table.csv --output three.json
says stderr 'three.json is an input'
rm -r beside

# ---- A row of weight 3 counts as three rows.
awk -F, -v OFS=, 'NR == 1 { print $0, "w"; next } { print $0, NR % 3 + 1 }' table.csv >weighted.csv
awk -F, 'NR == 1 { print; next } { for (i = 0; i < NR % 3 + 1; i++) print }' table.csv >repeated.csv
expect 0 train kmeans --input weighted.csv --sample-weight w --init centres.csv --tol 0 \
    --output weighted.json
[ "$(value features)" = 4 ] || fail "the weights became a feature"
inertia=$(value inertia)
expect 0 train kmeans --input repeated.csv --init centres.csv --tol 0 \
    --output repeated.json
[ "$(value inertia)" = "$inertia" ] || fail "inertia $inertia weighted, $(value inertia) repeated"
for model in weighted repeated; do
    blackspot info --json $model.json | grep -o '"centre":[^]]*' >$model.centres
done
same weighted.centres repeated.centres

# ---- Not settled within max_iter is said, not hidden.
expect 0 train kmeans --input table.csv --k 8 --max-iter 1 --output again.json
is converged false
is iterations 1
echo "models from files, matrices, pipes, weights and given centres"

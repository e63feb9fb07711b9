#!/usr/bin/env bash
# Models that learn from more rows, and mini-batch trainings, from the command line.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

year=$ROOT/data/gb-2015/Accidents_2015.csv.gz
config=$ROOT/config/gb-2015.yaml
centres_of() {
    blackspot info --json "$1" | grep -o '"centre":[^]]*'
}

# ---- Raw files go through the model's encoder; the old model stays.
expect 0 train kmeans --config "$config" --input "$year" --k 5 --output model.json
cp model.json kept.json
expect 0 train kmeans --update model.json --input "$year" --output raw.json --metrics metrics.json \
    --table
one_line
is command 'train kmeans'
is model raw.json
is rows 140038
is k 5
is iterations 16
is converged false
says metrics.json '"iterations": *16'
says stderr '^ +all +140,038 +100\.0 %'
same model.json kept.json "the old model after an update"
expect 0 info raw.json
says stdout 'units of the raw table'
expect 0 score --model raw.json --input "$year" --output scores.csv

# ---- A matrix of the same encoder is the same; so are other threads and an output over the model.
expect 0 prepare --config "$config" --input "$year" --output year.npy
expect 0 train kmeans --update model.json --input year.npy --output again.json --threads 1
same raw.json again.json "from a matrix"
expect 0 train kmeans --update model.json --input "$year" --output model.json
same raw.json model.json "in place"

# ---- In steps; a configuration may say how files are read and how many rows a step has.
expect 0 train kmeans --update kept.json --input year.npy --mini-batch 10000 --output steps.json
is iterations 30
expect 0 train kmeans --update kept.json --config "$config" --input "$year" \
    --set kmeans.mini_batch=10000 --output again.json
same steps.json again.json "kmeans.mini_batch"

# ---- A row of weight 3 counts as three rows.
zcat "$year" | tr -d '\r' | cut -d, -f4,5 | grep -v '^,' | sed -n 1,3001p >points.csv
awk -F, -v OFS=, 'NR == 1 { print $0, "w"; next } { print $0, NR % 3 + 1 }' points.csv >weighted.csv
awk -F, 'NR == 1 { print; next } { for (i = 0; i < NR % 3 + 1; i++) print }' points.csv >repeated.csv
expect 0 train kmeans --input points.csv --k 3 --output points.json
expect 0 train kmeans --update points.json --input weighted.csv --sample-weight w --output w.json
[ "$(value rows)" = 3000 ] || fail "rows: $(value rows)"
says w.json '"weights": \['
expect 0 train kmeans --update points.json --input repeated.csv --output r.json
centres_of w.json >w.centres
centres_of r.json >r.centres
same w.centres r.centres "weights and repeated rows"
expect 0 train kmeans --update w.json --input weighted.csv --sample-weight w --output w2.json
centres_of w2.json | cmp -s - w.centres && fail "a second update changes nothing"

# ---- A model without an encoder takes a .csv by its columns' names.
cat >plain.json <<'J'
{"format": "blackspot-model", "version": 1, "kind": "kmeans", "features": ["a", "b"],
 "kmeans": {"k": 2, "inertia": 1, "iterations": 1, "converged": true, "sizes": [2, 2],
 "centres": [[0, 0], [10, 10]]}}
J
printf 'w,b,a\n1,0,3\n1,0,3\n2,14,10\n' >named.csv
expect 0 train kmeans --update plain.json --input named.csv --sample-weight w --output named.json
says named.json '\[1\.5, 0\]'
says named.json '\[10, 12\]'
says named.json '"weights": \[4, 4\]'
says named.json '"sizes": \[4, 3\]'

# ---- What is refused, before anything is written.
rm -f again.json
expect 2 train kmeans --update kept.json --input "$year" --output again.json --k 5
says stderr '--k: does not go with --update'
expect 2 train kmeans --update kept.json --input "$year" --output again.json --resume
says stderr '--resume: does not go with --update'
expect 2 train kmeans --update kept.json --output again.json
says stderr "option '--input' is missing"
expect 2 train kmeans --update kept.json --input year.npy --sample-weight w --output again.json
says stderr '--sample-weight: a .npy has no column of weights'
expect 3 train kmeans --update points.json --input year.npy --output again.json
says stderr 'has 4 columns, but the model has 2 features'
expect 0 train gmm --input points.csv --k 2 --output mixture.json
expect 2 train kmeans --update mixture.json --input points.csv --output again.json
says stderr 'mixture.json is a mixture'
expect 1 train kmeans --update points.csv --input points.csv --output again.json
expect 2 train kmeans --input points.csv --k 2 --mini-batch 0 --output again.json
says stderr '--mini-batch: 0 is out of range'
[ ! -e again.json ] || fail "an output of a refused job"

# ---- Mini-batch training: nearly as good, the same on any threads; --resume knows it.
expect 0 train kmeans --input year.npy --k 5 --output whole.json
whole=$(value inertia)
expect 0 train kmeans --input year.npy --k 5 --mini-batch 2000 --output few.json
is converged true
awk "BEGIN { exit !($(value inertia) < 1.05 * $whole) }" || fail "inertia $(value inertia), $whole"
expect 0 train kmeans --input year.npy --k 5 --mini-batch 2000 --threads 1 --resume \
    --batch-rows 1000 --output again.json
same few.json again.json "mini-batches on one thread"
echo "models that learn from more rows, and mini-batches"

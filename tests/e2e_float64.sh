#!/usr/bin/env bash
# --float64: rows whose differences float32 cannot hold, from .csv and .npy to models and scores.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

# Four groups: two far apart, each of two that lie 0.01 from each other. Float32 sees steps of 0.06
# around a million.
awk -v OFS=, -v OFMT=%.17g 'BEGIN { print "a,b,id,w"
    for (i = 0; i < 800; i++) print (i % 2 ? 1000000 : 1000) + (i % 4 < 2 ? 0 : 0.01) + i * 1e-6,
                                    i % 2, "r" i, 1 + i % 3 }' >points.csv
cut -d, -f1,2 points.csv >rows.csv
printf 'a,b\n1000,0\n1000000,1\n1000.01,0\n1000000.01,1\n' >centres.csv
groups() { # groups FILE: rows of one group, and no others, have one label
    awk -F, 'NR > 1 { g = (NR - 2) % 4; if (!(g in label)) { label[g] = $1; if ($1 in seen) exit 1
                      seen[$1] = 1 } if ($1 != label[g]) exit 1 }' "$1"
}

# ---- KMeans: trained, written, read and scored in float64.
expect 0 train kmeans --input rows.csv --float64 --init centres.csv --k 4 --output wide.json \
    --metrics metrics.json
is converged true
says wide.json '"precision": "float64"'
expect 0 score --model wide.json --input rows.csv --output scores.csv
groups scores.csv || fail "groups are not apart"
awk -F, 'NR > 1 && $2 > 0.002 { exit 1 }' scores.csv || fail "distances"
expect 0 train kmeans --input rows.csv --init centres.csv --k 4 --output narrow.json
grep -q precision narrow.json && fail "a model of float32 says so"
expect 0 score --model narrow.json --input rows.csv --output narrow.csv
groups narrow.csv && fail "float32 is as good"

# ---- The same by the configuration, in other batches, merged, within little memory.
expect 0 train kmeans --input rows.csv --set precision=float64 --init centres.csv --k 4 \
    --output again.json --threads 1 --batch-rows 13 --compact on
same wide.json again.json "by the configuration, one thread, small batches"
expect 2 train kmeans --input rows.csv --set precision=double --k 4 --output x.json
says stderr 'precision: double is none of float32 or float64'

# ---- By way of a matrix.
expect 0 prepare --input rows.csv --float64 --output rows.npy
head -c 60 rows.npy | grep -q "'descr': '<f8'" || fail "the matrix is not float64"
expect 0 train kmeans --input rows.npy --float64 --init centres.csv --k 4 --output npy.json
same wide.json npy.json "by way of a matrix"
expect 0 score --model wide.json --input rows.npy --output from-npy.csv
same scores.csv from-npy.csv "scores of the matrix"
if [ -z "${BLACKSPOT_SANITIZE:-}" ]; then
    for rows in rows.csv rows.npy; do
        expect 0 train kmeans --input $rows --float64 --init centres.csv --k 4 \
            --output memory.json --memory 64M
        same wide.json memory.json "$rows within 64 MB"
    done
fi

# ---- Weights, an id, a table.
printf 'input: {files: points.csv}\nprecision: float64\nfeatures: [{column: a}, {column: b}]\n%s' \
    'kmeans: {k: 4, init: centres.csv, sample_weight: w}' >job.yaml
expect 0 train kmeans --config job.yaml --output weighted.json --table
says weighted.json '"weights"'
expect 0 score --model weighted.json --input points.csv --id id --output ids.csv
awk -F, 'NR == 2 && $1 != "r0" { exit 1 }' ids.csv || fail "ids"
expect 0 info weighted.json
says stdout 'float64'
expect 0 info --json weighted.json
is precision float64

# ---- Mini-batches and updates.
expect 0 train kmeans --input rows.npy --float64 --init centres.csv --k 4 --mini-batch 100 \
    --output mini.json
expect 0 score --model mini.json --input rows.npy --output mini.csv
groups mini.csv || fail "mini-batches do not keep the groups apart"
expect 0 train kmeans --update wide.json --input rows.csv --output updated.json
says updated.json '"precision": "float64"'
expect 0 score --model updated.json --input rows.csv --output updated.csv
groups updated.csv || fail "an update does not keep the groups apart"

# ---- Directions.
expect 0 train kmeans --input rows.npy --float64 --metric cosine --k 2 --output cosine.json
expect 0 score --model cosine.json --input rows.npy --output cosine.csv

# ---- A mixture.
expect 0 train gmm --input rows.csv --float64 --init centres.csv --covariance diag --k 4 \
    --reg-covar 1e-8 --output mixture.json
says mixture.json '"precision": "float64"'
expect 0 score --model mixture.json --input rows.csv --output mixed.csv
groups mixed.csv || fail "components are not apart"

# ---- What is refused.
printf 'a\n1e300\n2\n' >huge.csv
expect 3 train kmeans --input huge.csv --float64 --k 1 --output x.json
says stderr 'values as large as 1e.300; divide the column by a constant'
printf 'a,b\n1e300,1\n' >huge.csv
expect 3 score --model wide.json --input huge.csv --output x.csv
says stderr 'values as large as 1e.300 have no squares in float64; divide the column by a constant'
sed 's/"float64"/"float16"/' wide.json >wrong.json
expect 1 info wrong.json
says stderr '"precision" is neither "float32" nor "float64"'

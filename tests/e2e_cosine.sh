#!/usr/bin/env bash
# Spherical KMeans from the command line: the model remembers its metric, scores are 1 - cos.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

# Two directions, in lengths from 1 to 1000.
awk -v OFS=, 'BEGIN { srand(3); print "a,b"; for (i = 0; i < 400; i++) { r = 10 ^ (3 * rand())
     t = (i % 2 ? 0.2 : 1.3) + 0.1 * rand(); print r * cos(t), r * sin(t) } }' >points.csv
expect 0 train kmeans --input points.csv --metric cosine --k 2..5 --output model.json \
    --metrics metrics.json
is k 2
is metric cosine
says model.json '"metric": "cosine"'
says metrics.json '"metric": "cosine"'
expect 0 train kmeans --input points.csv --set kmeans.metric=cosine --k 2 --output again.json \
    --threads 1 --batch-rows 13 --compact on
same model.json again.json "by the configuration, one thread, small batches"
expect 0 train kmeans --input points.csv --set kmeans.metric=cosine --metric euclidean --k 2 \
    --output plain.json
is metric euclidean
says plain.json '"metric": "euclidean"'

expect 0 score --model model.json --input points.csv --output scores.csv
# Each group whole, and every distance at most 1 - cos 0.1.
awk -F, 'NR > 1 { if ($1 != (NR % 2 == first % 2 ? a : 1 - a) && NR > 2) exit 1
                  if (NR == 2) { first = NR; a = $1 }
                  if ($2 < 0 || $2 > 0.005) exit 1 }' scores.csv || fail "scores"
expect 0 info model.json
says stdout '^model.json: KMeans, 2 clusters, 2 features, metric cosine$'
says stdout 'centres below are directions in the units of the matrix$'
expect 0 info --json model.json
is metric cosine
expect 0 info plain.json
says stdout '^plain.json: KMeans, 2 clusters, 2 features$'
grep -v '"metric"' plain.json >old.json
expect 0 info --json old.json
is metric euclidean

# ---- A matrix whose columns were moved for float32's sake; one of float32 numbers goes.
expect 0 prepare --input points.csv --output points.npy
expect 2 train kmeans --input points.npy --metric cosine --k 2 --output x.json
says stderr "--metric: cosine needs rows as they are, but an offset of 512 has been taken off a"
awk -F, -v OFS=, 'NR == 1 { print } NR > 1 { print int($1 * 8) + 1, int($2 * 8) + 1 }' \
    points.csv >grid.csv
expect 0 prepare --input grid.csv --output grid.npy
expect 0 train kmeans --input grid.npy --metric cosine --k 2 --output grid.json
expect 0 train kmeans --input grid.csv --metric cosine --k 2 --output again.json
same grid.json again.json "by way of a matrix"

# ---- What is refused.
expect 2 train kmeans --input points.csv --metric cosin --k 2 --output x.json
says stderr "^blackspot train kmeans: --metric: 'cosin' is none of euclidean, cosine$"
expect 2 train kmeans --input points.csv --set kmeans.metric=angle --k 2 --output x.json
says stderr 'metric: angle is none of euclidean or cosine'
printf 'a,b\n1,2\n0,0\n3,4\n' >zero.csv
expect 3 train kmeans --input zero.csv --metric cosine --k 2 --output x.json
says stderr 'row 2: all zeros have no direction; drop such rows, or use the Euclidean metric'
expect 3 score --model model.json --input zero.csv --output x.csv
says stderr 'row 2: all zeros'
sed 's/"cosine"/"angle"/' model.json >wrong.json
expect 1 info wrong.json
says stderr 'wrong.json: kmeans.metric is neither "euclidean" nor "cosine"'
if [ -e x.json ] || [ -e x.csv ]; then fail "output of a refused job"; fi
echo "the metric cosine from the command line"

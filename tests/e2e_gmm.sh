#!/usr/bin/env bash
# Gaussian mixtures from the command line: train, choose k, score in every kind, info, starts.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

year=$ROOT/data/gb-2015/Accidents_2015.csv.gz
config=$ROOT/config/gb-2015.yaml

# ---- The main job: raw files in, the number of components chosen by BIC.
expect 0 train gmm --config "$config" --k 1..3 --covariance diag --output model.json \
    --metrics metrics.json --table
one_line
is command 'train gmm'
is rows 140038
is covariance diag
says stderr 'k 1: converged after 2 iterations'
says stderr 'k 3: '
says metrics.json '"bic":'
k=$(value k)
best=$(grep -oE 'BIC [-0-9.e+]+' stderr | cut -d' ' -f2 | sort -g | head -n 1)
awk "BEGIN { exit !(sqrt(($best / $(value bic) - 1) ^ 2) < 1e-8) }" || fail "not the lowest BIC"
expect 0 train gmm --config "$config" --k "$k" --covariance diag --output again.json --threads 1 \
    --batch-rows 1000
same model.json again.json "one thread, small batches"

# ---- info
expect 0 info model.json
says stdout "^model.json: Gaussian mixture, $k components, covariance diag, "
expect 0 info --json model.json
one_line
is kind gmm
[ "$(grep -o '"weight":' stdout | wc -l)" -eq "$k" ] || fail "not $k weights"

# ---- Scores: labels and likelihoods, shares, one column in .npy.
expect 0 score --model model.json --input "$year" --id Accident_Index --output scores.csv
one_line
is rows 140038
is k "$k"
[ "$(head -n 1 scores.csv)" = Accident_Index,component,log_likelihood ] || fail "$(head -n 1 scores.csv)"
expect 0 score --model model.json --input "$year" --output labels.csv --output-kind label
cut -d, -f2 scores.csv | cmp -s - labels.csv || fail "--output-kind label"
expect 0 score --model model.json --input "$year" --output likelihood.csv \
    --output-kind log_likelihood
cut -d, -f3 scores.csv | cmp -s - likelihood.csv || fail "--output-kind log_likelihood"
expect 0 score --model model.json --input "$year" --output shares.csv --output-kind proba
head -n 1 shares.csv | grep -q '^proba_0' || fail "$(head -n 1 shares.csv)"
awk -F, 'NR > 1 { sum = 0; for (i = 1; i <= NF; i++) sum += $i
                  if (sum < 1 - 1e-9 || sum > 1 + 1e-9) exit 1 }' shares.csv || fail "shares"
awk -F, 'NR > 1 { best = 1; for (i = 2; i <= NF; i++) if ($i > $best) best = i; print best - 1 }' \
    shares.csv >largest.csv
tail -n +2 labels.csv | cmp -s - largest.csv || fail "labels are not the largest shares"
expect 0 score --model model.json --input "$year" --output labels.npy
head -c 128 labels.npy | grep -aq "'descr': '<i4'.*'shape': (140038,)" || fail "labels.npy"
expect 0 score --model model.json --input "$year" --output l.npy --output-kind log_likelihood
head -c 128 l.npy | grep -aq "'descr': '<f8'" || fail "likelihoods in l.npy"
expect 2 score --model model.json --input "$year" --output x.csv --output-kind distance
says stderr 'log_likelihood'

# ---- Starts: a file of means fixes k, a model is gone on from.
awk -v OFS=, 'BEGIN { srand(1); print "a,b"; for (i = 0; i < 900; i++) { c = i % 3
     print 10 * c + rand() + rand(), (c == 1 ? 8 : 0) + rand() + rand() } }' >points.csv
printf 'a,b\n1,1\n11,9\n21,1\n' >means.csv
expect 0 train gmm --input points.csv --init means.csv --output points.json
is k 3
is converged true
for start in kmeans k-means++ random_from_data; do
    expect 0 train gmm --input points.csv --k 3 --init $start --n-init 3 --output again.json
    is k 3
done
expect 0 train gmm --input points.csv --k 3 --max-iter 1 --output one.json
is converged false
expect 0 train gmm --input points.csv --init one.json --output more.json
is k 3
is converged true

# ---- Rows drawn: the first ones do not depend on how many; the fit of them finds the model again.
expect 0 train gmm --input points.csv --k 3 --output three.json
expect 0 sample --model three.json --rows 300000 --seed 5 --output drawn.csv
one_line
is command sample
is rows 300000
is k 3
[ "$(head -n 1 drawn.csv)" = a,b,component ] || fail "$(head -n 1 drawn.csv)"
[ "$(wc -l <drawn.csv)" -eq 300001 ] || fail "rows of drawn.csv"
expect 0 sample --model three.json --rows 20 --seed 5 --output few.csv
head -n 21 drawn.csv | cmp -s - few.csv || fail "a few rows are not the first of many"
expect 0 sample --model three.json --rows 300000 --seed 5 --output drawn.npy
head -c 128 drawn.npy | grep -aq "'descr': '<f8'.*'shape': (300000, 2)" || fail "drawn.npy"
expect 0 train gmm --input drawn.npy --k 3 --output found.json
awk -v a="$(value log_likelihood)" 'BEGIN { exit !(a < 0) }' || fail "likelihood of drawn rows"
cut -d, -f3 drawn.csv | sort | uniq -c | awk '$2 ~ /[012]/ && ($1 < 90000 || $1 > 110000) { exit 1 }' ||
    fail "components are not drawn by weight"
expect 0 train kmeans --input points.csv --k 2 --output clusters.json
expect 2 sample --model clusters.json --rows 5 --output x.csv
says stderr 'Gaussian mixtures alone'
expect 2 sample --model three.json --output x.csv
says stderr 'rows'
expect 2 sample --model three.json --rows 0 --output x.csv
says stderr 'rows'
expect 2 sample --model three.json --rows 5 --output x.txt

# ---- What is refused.
expect 2 train gmm --input points.csv --output x.json
says stderr 'how many components'
expect 2 train gmm --input points.csv --k 5..2 --output x.json
says stderr 'k: .5..2. ends before it begins'
expect 2 train gmm --input points.csv --k 2 --covariance round --output x.json
says stderr 'full, tied, diag'
expect 2 train gmm --input points.csv --k 2 --init kmean --output x.json
says stderr "did you mean 'kmeans'"
expect 2 train gmm --input points.csv --k 1..3 --init means.csv --output x.json
says stderr 'a file fixes k'
expect 2 train gmm --input points.csv --k 2 --set gmm.tol=-1 --output x.json
says stderr 'tol'
expect 2 train gmm --input points.csv --k 2 --set gmm.colour=1 --output x.json
says stderr 'colour'
[ ! -e x.json ] || fail "a model of a refused job"
echo "mixtures from the command line"

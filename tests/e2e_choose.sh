#!/usr/bin/env bash
# A range of k from the command line: what is measured, which k is suggested, how the two models feel
# the same, and every wrong way to write a range.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

# Three groups of rows, a few of them equal, and one more row far away.
awk -v OFS=, 'BEGIN { srand(2); print "a,b"; for (i = 0; i < 300; i++) { c = i % 3
     print 20 * c + 2 * rand(), (c == 1 ? 15 : 0) + 2 * rand() }
     for (i = 0; i < 20; i++) print 1, 1 }' >points.csv

# ---- KMeans: the highest silhouette.
expect 0 train kmeans --input points.csv --k 2..6 --output model.json --metrics metrics.json --table
one_line
is k 3
is chosen_by silhouette
is converged true
for key in silhouette davies_bouldin calinski_harabasz; do
    [ "$(grep -o "\"$key\":" stdout | wc -l)" -eq 6 ] || fail "not five candidates and a choice: $key"
done
says stdout '"candidates":\[\{"k":2,"inertia":[0-9.]+,"silhouette":0\.[0-9]+,"davies_bouldin":[0-9.]+,"calinski_harabasz":[0-9.]+\},\{"k":3,'
says stdout '"seconds":\{.*"measure":'
says stderr 'k 6: (not )?converged after .* inertia .*, silhouette 0\.[0-9]+ \(of 320 rows\), Davies-Bouldin '
says stderr 'k 3 is suggested: the highest silhouette, 0\.9'
says stderr '^ +k +inertia +silhouette +Davies-Bouldin +Calinski-Harabasz$'
says stderr '^ +3 .*<- highest silhouette$'
says stderr '^ +all +320 '
says metrics.json '"chosen_by": "silhouette"'
cp metrics.json first.json
expect 0 train kmeans --input points.csv --k 2..6 --output again.json --metrics metrics.json \
    --threads 1 --batch-rows 7 --compact off
same metrics.json first.json "one thread, small batches, equal rows apart"
same model.json again.json "one thread, small batches, equal rows apart"
expect 0 train kmeans --input points.csv --k 3 --output again.json
same model.json again.json "the k suggested, alone"
if grep -q silhouette stdout; then fail "measures that nobody asked for"; fi

# ---- One k is measured when asked, by an option or the configuration.
expect 0 train kmeans --input points.csv --k 3 --measures --output again.json --table
same model.json again.json "measured"
best=$(value silhouette)
grep -q "\"silhouette\": $best" first.json || fail "the silhouette of k 3 alone is $best"
if grep -q candidates stdout; then fail "one k is no range"; fi
says stderr '^ +3 '
expect 0 train kmeans --input points.csv --set kmeans.k=2..6 --output again.json
same model.json again.json "a range in the configuration"
expect 0 train kmeans --input points.csv --set kmeans.k=3 --set kmeans.measures=true --output x.json
is silhouette "$best"
expect 0 train kmeans --input points.csv --set kmeans.k=2..6 --k 5..5 --output x.json
is k 5
rm x.json

# ---- Not defined: one cluster, and a cluster for each row.
expect 0 train kmeans --input points.csv --k 1 --measures --output one.json
says stdout '"silhouette":null,"davies_bouldin":null,"calinski_harabasz":null'
printf 'a\n1\n2\n7\n' >three.csv
expect 0 train kmeans --input three.csv --k 1..3 --output three.json --table
is k 2
says stderr '^ +1 .* - +- +-$'
says stderr '^ +3 .* - +- +-$'
printf 'a\n5\n5\n5\n' >equal.csv
expect 0 train kmeans --input equal.csv --k 1..2 --output equal.json
is k 1
says stderr 'no k has a defined silhouette; the smallest, 1, is kept'

# ---- Mixtures: the same fields and words, the lowest BIC.
expect 0 train gmm --input points.csv --k 1..4 --output mixture.json --table
one_line
is chosen_by bic
says stdout '"candidates":\[\{"k":1,"log_likelihood":[-0-9.]+,"bic":[-0-9.]+,"aic":[-0-9.]+\},'
says stderr "k $(value k) is suggested: the lowest BIC, "
says stderr "^ +$(value k) .*<- lowest BIC\$"

# ---- What is refused, before any work.
printf 'a,b\n1,1\n20,15\n40,1\n' >starts.csv
for model in kmeans gmm; do
    refuse() {
        expect 2 train $model --input points.csv --k "$1" --output x.json
        says stderr "^blackspot train $model: --k: $2"
    }
    refuse 12..2 "'12\.\.2' ends before it begins; write the smaller number first$"
    refuse 0..3 '0\.\.3 is out of range \(1 to 2147483647\)$'
    refuse 2..99999999999999999999 '2\.\.9+ is out of range'
    refuse 2.. "'2\.\.' has no end; write a range such as 2\.\.12$"
    refuse ..5 "'\.\.5' has no beginning; write a range such as 2\.\.12$"
    refuse 2..5..7 "'2\.\.5\.\.7' is neither a whole number, such as 5, nor a range, such as 2\.\.12$"
    refuse a..b "'a\.\.b' is neither"
    refuse 2-5 "'2-5' is not a whole number$"
    refuse ' 2' "' 2' is not a whole number$"
    expect 2 train $model --input points.csv --k 2..4 --init starts.csv --output x.json
    says stderr '--init: a file fixes k; give one number or none'
    expect 3 train $model --input three.csv --k 2..4 --output x.json
    says stderr 'k = 4 is more than the 3 rows'
    expect 2 train $model --input points.csv --set $model.k=4..2 --output x.json
    says stderr "^blackspot train $model: --set:1: k: '4\.\.2' ends before it begins"
done
expect 2 train kmeans --input points.csv --set kmeans.measures=maybe --k 2 --output x.json
says stderr 'measures: '
[ ! -e x.json ] || fail "a model of a refused job"
expect 0 train kmeans --input points.csv --init starts.csv --measures --output x.json
is k 3
echo "a range of k from the command line"

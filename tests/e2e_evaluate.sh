#!/usr/bin/env bash
# Evaluations: a forest on the French year, tables of predictions, clusterings, and their files.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

data=$ROOT/data/fr-baac-2021
severity=(--model "$data/severity.json" --input "$data/X_test.csv.gz" --label grav
    --labels "$data/y_test.csv")

# near FILE: every "name,value" of the file is in the JSON line, to 1e-12.
near() {
    while IFS=, read -r name wanted; do
        awk -v a="$(value "$name")" -v b="$wanted" \
            'BEGIN { d = a - b; exit !(a != "" && d < 1e-12 && d > -1e-12) }' ||
            fail "$name is $(value "$name"), not $wanted"
    done <"$1"
}

# ---- A forest: scikit-learn's numbers for XGBoost's predictions.
expect 0 evaluate "${severity[@]}" --metrics metrics.json --report report.txt --plots plots
one_line
is rows 16410
near "$ROOT/tests/reference/evaluation/severity.csv"
says stdout '"classes":\["0","1"\],"confusion":\[\[9440,1297\],\[2314,3359\]\]'
says metrics.json '^  "test_metrics": \{$'
says metrics.json '^    "accuracy": 0.77995'
! grep -q '"[^":]*"[^:]' metrics.json || fail "metrics.json has a text that is no key"
! grep -q null metrics.json || fail "metrics.json has null"
says report.txt '^accuracy +0.7800$'
says report.txt '^1 +0.7214 +0.5921 +0.6504 +0.8453 +0.7317 +5,673$'
says report.txt '^1 +2,314 +3,359$'
printf 'true \\ predicted,0,1\n0,9440,1297\n1,2314,3359\n' | same plots/confusion.csv -

for picture in confusion roc precision_recall calibration importance; do
    says plots/$picture.svg '</svg>$'
    head -c 8 plots/$picture.png | grep -aq PNG || fail "plots/$picture.png"
done

# ---- The label among the features' columns; a threshold; weights; threads change nothing.
zcat "$data/X_test.csv.gz" | paste -d, - "$data/y_test.csv" |
    awk -F, -v OFS=, '{ print $0, NR == 1 ? "w" : 1 + NR % 3 }' >joined.csv
cp stdout first
expect 0 evaluate --model "$data/severity.json" --input joined.csv --label grav
[ "$(value roc_auc)" = "$(sed -n 's/.*"roc_auc":\([^,]*\),.*/\1/p' first)" ] || fail "label column"
expect 0 evaluate --model "$data/severity.json" --input joined.csv --label grav --threshold 0.3
is threshold 0.3
accurate=$(value recall)
expect 0 evaluate --model "$data/severity.json" --input joined.csv --label grav --sample-weight w \
    --bootstrap 30 --seed 3 --metrics one.json --threads 1
expect 0 evaluate --model "$data/severity.json" --input joined.csv --label grav --sample-weight w \
    --bootstrap 30 --seed 3 --metrics three.json --threads 3
same one.json three.json "intervals of one thread and of three"
says one.json '^    "interval": \{$'
[ "$accurate" != "$(value recall)" ] || fail "threshold and weights change nothing"

# ---- The same predictions as a table.
expect 0 score --model "$data/severity.json" --input "$data/X_test.csv.gz" --output scores.csv
paste -d, scores.csv "$data/y_test.csv" >table.csv
expect 0 evaluate --predictions table.csv --label grav --scores proba --metrics table.json
same metrics.json table.json "the forest's own and those of its scores"
expect 0 evaluate --predictions scores.csv --label grav --labels "$data/y_test.csv" --scores proba \
    --metrics beside.json
same metrics.json beside.json "labels beside the scores"
gzip -c table.csv | blackspot evaluate --predictions - --label grav --scores proba \
    --metrics piped.json >stdout 2>stderr || fail "predictions from a pipe"
same metrics.json piped.json "predictions from a pipe"

# ---- A model judged by its own predictions is always right: several classes, values, labels in .npy.
seq 1 300 | awk 'BEGIN { print "a,b,c,d,e,f" }
    { for (i = 1; i < 7; i++) printf("%s%.3f", i == 1 ? "" : ",", sin(i * $1) * 3); print "" }' >six.csv
trees=$ROOT/tests/reference/trees
six=a,b,c,d,e,f
for model in xgboost/3.2.0_softprob.json lightgbm/4.7.0_multiclass.txt lightgbm/4.7.0_binary.txt; do
    expect 0 score --model "$trees/$model" --input six.csv --features "$six" --output labels.npy \
        --output-kind label
    expect 0 evaluate --model "$trees/$model" --input six.csv --features "$six" \
        --labels labels.npy --plots own
    is accuracy 1
    [ -s own/importance.svg ] || fail "no importance of $model"
done
model=$trees/xgboost/3.2.0_squared.json
expect 0 score --model "$model" --input six.csv --features "$six" --output values.csv
expect 0 evaluate --model "$model" --input six.csv --features "$six" --labels values.csv \
    --label value --report own.txt
is rmse 0
is r2 1
expect 0 evaluate --model "$model" --input six.csv --features "$six" --labels values.csv \
    --label value --iterations :2
[ "$(value rmse)" != 0 ] || fail "two iterations are as good as all"

# ---- Classes by name, any number of them; labels alone; what is not defined is null, with a word.
cat >animals.csv <<'END'
truth,cat,dog,owl,said
cat,0.8,0.1,0.1,cat
dog,0.2,0.7,0.1,dog
owl,0.1,0.2,0.7,owl
owl,0.5,0.3,0.2,cat
dog,0.3,0.6,0.1,dog
cat,0.6,0.2,0.2,dog
END
expect 0 evaluate --predictions animals.csv --label truth --scores cat,dog,owl
says stdout '"classes":\["cat","dog","owl"\],"confusion":\[\[2,0,0\],\[0,2,0\],\[1,0,1\]\]'
is brier 0.3033333333333334
expect 0 evaluate --predictions animals.csv --label truth --predicted said --table
says stdout '"roc_auc_macro":null'
says stdout '"log_loss":"there are no scores"'
says stderr '^roc_auc_macro +- +\(there are no scores\)$'
expect 0 evaluate --predictions animals.csv --label truth --scores owl,dog,cat --classes owl,dog,cat
says stdout '"classes":\["owl","dog","cat"\],"confusion":\[\[1,0,1\],\[0,2,0\],\[0,0,2\]\]'
head -n 2 animals.csv >cats.csv
expect 0 evaluate --predictions cats.csv --label truth --scores cat,dog,owl --classes cat,dog,owl \
    --metrics cats.json
says stdout '"roc_auc_macro":null'
is accuracy 1
! grep -q null cats.json || fail "cats.json has null"
printf 'y,p\n1.0,0.9\n1,0.8\n0,0.3\n0.0,0.1\n' >numbers.csv
expect 0 evaluate --predictions numbers.csv --label y --scores p
says stdout '"confusion":\[\[2,0\],\[0,2\]\]'

printf 'y,p\n1,0.9\n1\n0,0.3\n' >ragged.csv
expect 0 evaluate --predictions ragged.csv --label y --scores p --set input.on_bad_row=drop
is rows 2
says stderr '^warning: 1 rows that could not be read were left out$'
for long in "$(printf 'é%.0s' $(seq 99))" "x$(printf 'é%.0s' $(seq 99))"; do
    printf 'y,p,q,r\n%s,0.9,0.1,0\nb,0.2,0.7,0.1\na,0.3,0.1,0.6\n' "$long" >long.csv
    expect 0 evaluate --predictions long.csv --label y --scores p,q,r --classes "$long,b,a" \
        --plots long
    grep -v '^a' long.csv >two.csv
    expect 0 evaluate --predictions two.csv --label y --scores p --classes "b,$long" --plots long
    says long/roc.svg '</svg>$'
done

# ---- Values.
printf 'y,p\n3,2.5\n-0.5,0\n2,2\n7,8\n' >values.csv
expect 0 evaluate --predictions values.csv --task regression --label y --predicted p \
    --metrics values.json --report values.txt --plots values
is mae 0.5
is rmse 0.6123724356957945
is r2 0.9486081370449679
says values.txt '^mae +0.5'

# ---- Clusterings: measures on these rows, agreement with a labelling, the profile.
year=$ROOT/data/gb-2015/Accidents_2015.csv.gz
expect 0 train kmeans --config "$ROOT/config/gb-2015.yaml" --input "$year" --k 5 --measures \
    --output model.json --metrics trained.json
cp stdout trained
expect 0 evaluate --model model.json --input "$year" --label Accident_Severity --plots clusters \
    --report clusters.txt --metrics clusters.json
is rows 140038
for measure in silhouette davies_bouldin calinski_harabasz; do
    [ "$(value $measure)" = "$(sed -n "s/.*\"$measure\":\([^,}]*\).*/\1/p" trained)" ] ||
        fail "$measure is not that of the training"
done
says clusters.json '^    "ari": 0.0025'
says clusters/contingency.csv '^label . cluster,0,1,2,3,4$'
says clusters.txt '^ +0 +35,832 +25.6 %'
[ -s clusters/clusters.svg ] || fail "no picture of the clusters"
printf 'x,group\n0,a\n0.1,a\n5,b\n5.1,b\n9,b\n' >points.csv
printf 'columns: {x: number, group: text}\nfeatures: [x]\n' >points.yaml
expect 0 train kmeans --input points.csv --config points.yaml --k 2 \
    --output two.json
expect 0 evaluate --model two.json --input points.csv --label group
is ari 1
is nmi 1
expect 0 score --model two.json --input points.csv --output two.npy
expect 0 evaluate --model two.json --input points.csv --labels two.npy
is ari 1
printf 'group,w\na,1\na,0\nb,2\nb,1\nb,1\n' >groups.csv
expect 0 evaluate --model two.json --input points.csv --labels groups.csv --label group \
    --sample-weight w --report groups.txt
is nmi 1
says groups.txt '^inertia +[0-9.]+$'
expect 0 train gmm --input points.csv --config points.yaml --k 2 \
    --output mixture.json
cp stdout trained
expect 0 evaluate --model mixture.json --input points.csv
awk -v a="$(value bic)" -v b="$(sed -n 's/.*"bic":\([^,}]*\).*/\1/p' trained)" \
    'BEGIN { d = a - b; exit !(a != "" && d < 1e-9 && d > -1e-9) }' || fail "bic is $(value bic)"
echo "evaluations of forests, tables and clusters"

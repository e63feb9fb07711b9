#!/usr/bin/env bash
# Models of XGBoost and LightGBM on the command line: scores, columns, ranges, formats, encoders.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

model=$ROOT/data/fr-baac-2021/severity.json
zcat "$ROOT/data/fr-baac-2021/X_test.csv.gz" >all.csv
head -n 201 all.csv >rows.csv
reference=$ROOT/tests/reference/trees/severity.csv

# ---- XGBoost's own numbers: margins, probabilities, labels, leaves.
for kind in margin value label; do
    expect 0 score --model "$model" --input rows.csv --output $kind.csv --output-kind $kind
    one_line
    is rows 200
    is trees 100
    is output_kind $kind
done
paste -d, margin.csv value.csv label.csv >scores.csv
cut -d, -f1-3 "$reference" | same scores.csv - "XGBoost's margins, probabilities and labels"
expect 0 score --model "$model" --input rows.csv --output leaf.csv --output-kind leaf
is columns 100
cut -d, -f1,100 leaf.csv | tail -n +2 >leaves.csv
cut -d, -f4,5 "$reference" | tail -n +2 | same leaves.csv - "XGBoost's leaves"
[ "$(head -n 1 leaf.csv | cut -d, -f1,2)" = leaf_0,leaf_1 ] || fail "$(head -c 100 leaf.csv)"

# ---- Columns by name: turned around, among others, an id carried through.
awk -F, -v OFS=, '{ for (i = NF; i > 1; i--) printf "%s,", $i; print $1, "row" NR }' rows.csv |
    sed '1s/row1$/key/' >turned.csv
expect 0 score --model "$model" --input turned.csv --id key --output turned_scores.csv
[ "$(head -n 1 turned_scores.csv)" = key,proba ] || fail "$(head -n 1 turned_scores.csv)"
[ "$(sed -n 2p turned_scores.csv | cut -d, -f1)" = row2 ] || fail "$(sed -n 2p turned_scores.csv)"
cut -d, -f2 turned_scores.csv | same value.csv - "columns in another order"

# ---- Neither threads nor files nor instruction sets show.
expect 0 score --model "$model" --input all.csv --output all_scores.csv --output-kind margin
expect 0 score --model "$model" --input all.csv --output one.csv --output-kind margin --threads 1
same all_scores.csv one.csv "one thread"
BLACKSPOT_CPU=ref expect 0 score --model "$model" --input all.csv --output one.csv \
    --output-kind margin
same all_scores.csv one.csv "plain C"
{ head -n 1 all.csv && tail -n +202 all.csv; } >rest.csv
gzip -c rest.csv >rest.csv.gz
expect 0 score --model "$model" --input rows.csv --input rest.csv.gz --output one.csv \
    --output-kind margin
same all_scores.csv one.csv "two files"

# ---- Contributions: XGBoost's (which it computes in float32), and they add up to the margin.
expect 0 score --model "$model" --input rows.csv --output why.csv --output-kind contributions
is columns 28
[ "$(head -n 1 why.csv | cut -d, -f1,13,28)" = place,vma,bias ] || fail "$(head -n 1 why.csv)"
paste -d, why.csv "$reference" | awk -F, '
    NR > 1 {
        sum = 0
        for (i = 1; i <= 28; i++) sum += $i
        if ((sum - $29)^2 > 1e-10 || ($13 - $34)^2 > 1e-12 || ($28 - $35)^2 > 1e-12) {
            print NR, sum, $0
            exit 1
        }
    }' || fail "contributions"
expect 0 score --model "$model" --input rows.csv --output why.npy --output-kind contributions
head -c 128 why.npy | grep -aq "'descr': '<f8'.*'shape': (200, 28)" || fail "why.npy"
BLACKSPOT_CPU=ref expect 0 score --model "$model" --input rows.csv --output again.npy \
    --output-kind contributions --threads 1
same why.npy again.npy "contributions in plain C"

# ---- More scores than the memory that is allowed.
if [ -z "${BLACKSPOT_SANITIZE:-}" ]; then
    for copy in 1 2 3 4 5; do cp all.csv "part$copy.csv"; done
    expect 0 score --model "$model" --memory 48M --output many.npy --output-kind leaf \
        --input part1.csv --input part2.csv --input part3.csv --input part4.csv --input part5.csv
    is rows 82050
    [ "$(wc -c <many.npy)" -eq $((128 + 82050 * 400)) ] || fail "many.npy"
    rm part?.csv many.npy
fi

# ---- .npy: one dimension for one column, two for several.
expect 0 score --model "$model" --input rows.csv --output value.npy
head -c 128 value.npy | grep -aq "'descr': '<f8'.*'shape': (200,)" || fail "value.npy"
expect 0 score --model "$model" --input rows.csv --output leaf.npy --output-kind leaf
head -c 128 leaf.npy | grep -aq "'descr': '<i4'.*'shape': (200, 100)" || fail "leaf.npy"

# ---- Iterations in two steps: the margins of the first are the base of the second.
expect 0 score --model "$model" --input rows.csv --output half.csv --output-kind margin \
    --iterations :40
sed '1s/margin/start/' half.csv | paste -d, rows.csv - >started.csv
expect 0 score --model "$model" --input started.csv --output whole.csv --output-kind margin \
    --iterations 40: --base-margin start
same margin.csv whole.csv "iterations in two steps"

# ---- A model without names takes the columns in order, or those of --features.
sed 's/"feature_names":\[[^]]*\]/"feature_names":[]/' "$model" >nameless.json
cut -d, -f1-4,6- rows.csv >in_order.csv # without year_acc
expect 0 score --model nameless.json --input in_order.csv --output again.csv
same value.csv again.csv "columns in order"
expect 3 score --model nameless.json --input rows.csv --output again.csv
says stderr 'rows.csv has 28 columns of features, but the model has 27 features and no names'
features=$(head -n 1 in_order.csv)
expect 0 score --model nameless.json --input turned.csv --features "$features" --output again.csv
same value.csv again.csv "--features"

# ---- LightGBM sees float64: 0.1 is not above 0.1, and 1e-9 more is; blanks in names.
cat >light.txt <<'END'
tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:1
feature_names=Speed_limit hour
feature_infos=[0:1] [0:1]
tree_sizes=300

Tree=0
num_leaves=2
num_cat=0
split_feature=0
split_gain=1
threshold=0.10000000000000002
decision_type=8
left_child=-1
right_child=-2
leaf_value=-1.25 0.75
leaf_weight=1 1
leaf_count=3 2
internal_value=0
internal_weight=2
internal_count=5
is_linear=0
shrinkage=1


end of trees

feature_importances:
Speed_limit=1

parameters:
end of parameters

pandas_categorical:null
END
printf 'hour,Speed limit\n1,0.1\n2,0.100000001\n3,\n4,nan\n' >light.csv
expect 0 score --model light.txt --input light.csv --output light_scores.csv --output-kind margin
printf 'margin\n-1.25\n0.75\n0.75\n0.75\n' | same light_scores.csv - "LightGBM's float64"

# ---- Several classes: a column for each.
cp "$ROOT/tests/reference/trees/xgboost/3.2.0_softprob.json" classes.json
printf 'a,b,c,d,e,f\n0.5,-1,2,,0,1\n1,1,1,1,1,1\n' >six.csv
expect 0 score --model classes.json --input six.csv --output six_scores.csv
[ "$(head -n 1 six_scores.csv)" = proba_0,proba_1,proba_2 ] || fail "$(head -n 1 six_scores.csv)"
expect 0 score --model classes.json --input six.csv --output six.npy
head -c 128 six.npy | grep -aq "'shape': (2, 3)" || fail "six.npy"
expect 0 score --model classes.json --input six.csv --output six_why.csv --output-kind contributions
[ "$(head -n 1 six_why.csv | cut -d, -f1,7,8,21)" = x0:0,bias:0,x0:1,bias:2 ] ||
    fail "$(head -n 1 six_why.csv)"
expect 2 score --model classes.json --input six.csv --output six.csv.gz --base-margin a
says stderr '^blackspot score: --base-margin names 1 columns, but each row has 3 margins$'

# ---- A model that carries its encoder scores the raw table.
expect 0 prepare --input in_order.csv --output matrix.npy
encoder=$(tr -d '\n' <matrix.encoder.json | sed 's/\\/\\\\/g; s/"/\\"/g')
awk -v text="$(printf '%s' "$encoder" | sed 's/[\\&]/\\\\&/g')" \
    '{ sub(/"attributes":\{\}/, "\"attributes\":{\"blackspot_encoder\":\"" text "\"}") } 1' \
    "$model" >encoded.json
expect 0 score --model "$model" --input matrix.npy --output of_matrix.csv
expect 0 score --model encoded.json --input turned.csv --id key --output of_table.csv
cut -d, -f2 of_table.csv | same of_matrix.csv - "the encoder in the model"
expect 0 score --model encoded.json --input matrix.npy --output again.csv
same of_matrix.csv again.csv "the matrix past the encoder"

# ---- Rows that the encoder leaves out take their ids and base margins with them.
printf 'a,b,start,key\n0.05,1,0.5,one\n,2,,two words\n0.25,3,1.5,three\n,4,9,four\n0.01,5,2,fifth\n' >gaps.csv
expect 0 prepare --set 'features=[{column: a, impute: drop_row}, b]' \
    --set 'columns={a: number, b: number}' --input gaps.csv --output gaps.npy
{ cat light.txt && printf 'blackspot_encoder:%s\n' "$(tr -d '\n' <gaps.encoder.json)"; } >drops.txt
expect 0 info drops.txt
says stdout '^carries its encoder$'
expect 0 score --model drops.txt --input gaps.csv --id key --base-margin start --output gaps_scores.csv \
    --output-kind margin
printf 'key,margin\none,-0.75\nthree,2.25\nfifth,0.75\n' | same gaps_scores.csv - "rows left out"
says stderr '^warning: 2 rows with missing values were left out$'
sed 's/,1.5,/,,/' gaps.csv >no_start.csv
expect 3 score --model drops.txt --input no_start.csv --base-margin start --output never.csv
says stderr 'no_start.csv:4: column start: no base margin$'
sed 's/"columns"/"colums"/' drops.txt >damaged.txt
expect 1 score --model damaged.txt --input gaps.csv --output never.csv
says stderr '^blackspot score: damaged.txt: '
sed 's/^max_feature_idx=1/max_feature_idx=2/; s/^\(feature_names=.*\)/\1 more/; s/^\(feature_infos=.*\)/\1 [0:1]/' \
    drops.txt >narrow.txt
expect 1 score --model narrow.txt --input gaps.csv --output never.csv
says stderr 'narrow.txt: the encoder makes 2 features, but the model has 3; convert the model again'

# ---- info: what the file holds, and XGBoost's importance of the features.
expect 0 info "$model"
says stdout 'severity.json: XGBoost, JSON, binary:logistic, 2 classes$'
says stdout '^trees: 100, iterations: 100$'
says stdout '^depth: 4, leaves: 1,566$'
says stdout '^has no encoder$'
expect 0 info --json "$model"
one_line
is trees 100
is format "XGBoost"
tr '{' '\n' <stdout | sed -n 's/^"feature":"\(.*\)","splits":\(.*\),"gain":\(.*\),"cover":\([0-9.e+]*\).*/\1,\2,\3,\4/p' |
    sort >found.csv
tail -n +2 "$ROOT/tests/reference/trees/severity_importance.csv" | sort | paste -d, found.csv - |
    awk -F, '
        { count++ }
        $1 != $5 || $2 != $6 || ($3 / $7 - 1)^2 > 1e-12 || ($4 / $8 - 1)^2 > 1e-12 { print; bad = 1 }
        END { exit bad || count != 27 }' || fail "importance"
expect 0 info encoded.json
says stdout '^carries its encoder$'
expect 0 info light.txt
says stdout '^light.txt: LightGBM, text, binary sigmoid:1, 2 classes$'
expect 0 info "$ROOT/tests/reference/trees/xgboost/3.2.0_early_stop.ubj"
says stdout ' XGBoost, UBJSON, '
says stdout '^trees: 3, iterations: 3 \(the first 1 are used\)$'

# ---- What cannot be scored says why.
sed '1s/victim_age/victims_age/' rows.csv >renamed.csv
expect 3 score --model "$model" --input renamed.csv --output never.csv
says stderr "renamed.csv: column 'victim_age': the header has no 'victim_age'; did you mean 'victims_age'"
sed '3s/^[0-9]*/ten/' rows.csv >word.csv
expect 3 score --model "$model" --input word.csv --output never.csv
says stderr "word.csv:3: column place: 'ten' is not a number"
sed '3s/^[0-9]*/1e60/' rows.csv >huge.csv
expect 3 score --model "$model" --input huge.csv --output never.csv
says stderr 'huge.csv:3: column place: 1e\+60 is too large for float32'
expect 3 score --model "$model" --input rows.csv --id nobody --output never.csv
expect 3 score --model "$model" --input value.npy --output never.csv
says stderr 'value.npy has 1 columns, but the model has 27 features'
[ ! -e never.csv ] || fail "a file was left behind"
echo "trees scored from tables and matrices"

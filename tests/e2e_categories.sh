#!/usr/bin/env bash
# Models that name their categories: tables hold the names, as when they were trained.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh
cp "$ROOT"/tests/reference/trees/categories/* .

compare() { # compare SCORES COLUMN: the margins are those of this column of rows.csv
    tail -n +2 rows.csv | sed 's/"[^"]*"//' | cut -d, -f"$2" | paste -d, - <(tail -n +2 "$1") |
        awk -F, '{ count++ } $1 != $2 { print; bad = 1 } END { exit bad || count != 60 }' ||
        fail "$1: other margins than column $2 of rows.csv"
}
for model in lightgbm.txt xgboost.json; do
    expect 0 score --model "$model" --input rows.csv --output "$model.csv" --output-kind margin
done
compare lightgbm.txt.csv 7
compare xgboost.json.csv 8

# ---- Numbers may be written in another way; texts may not.
sed 's/,7,/,7.00,/' rows.csv >written.csv
expect 0 score --model xgboost.json --input written.csv --output again.csv --output-kind margin
same xgboost.json.csv again.csv "7.00 instead of 7"
sed '5s/blue, dark/pink/; 5s/red/pink/; 5s/green/pink/' rows.csv >pink.csv
for model in lightgbm.txt xgboost.json; do
    expect 3 score --model "$model" --input pink.csv --output never.csv
    says stderr "pink.csv:5: column colour: 'pink' is no category that the model was trained with"
done
sed '7s/,\(3\|7\|11\),/,5,/' rows.csv >five.csv
expect 3 score --model lightgbm.txt --input five.csv --output never.csv
says stderr "five.csv:7: column code: '5' is no category that the model was trained with"

# ---- Damaged names.
sed 's/"offsets":\[0,10,/"offsets":[0,99,/' xgboost.json >cut.json
sed 's/"offsets":\[0,10,/"offsets":[0,-5,/' xgboost.json >back.json
sed 's/"values":\[3,7,11\]/"values":[3,7,7]/' xgboost.json >twice.json
sed 's/"values":\[3,7,11\]/"other":[3,7,11]/' xgboost.json >gone.json
sed 's/^pandas_categorical:.*/pandas_categorical:[["a"]]/' lightgbm.txt >few.txt
sed 's/^pandas_categorical:.*/pandas_categorical:[["a"/' lightgbm.txt >open.txt
sed 's/^pandas_categorical:.*/pandas_categorical:[["a"],[{}],[1],[2]]/' lightgbm.txt >objects.txt
refuse() {
    expect 1 score --model "$1" --input rows.csv --output never.csv
    says stderr "$1: the names of its categories $2"
}
refuse cut.json 'are cut short'
refuse back.json 'are cut short'
refuse twice.json 'come twice'
refuse gone.json 'have no values'
refuse open.txt 'are no JSON'
refuse objects.txt 'are neither texts nor numbers'

# ---- Where the file does not say whose names they are, codes are scored, and names refused.
expect 0 info few.txt
expect 3 score --model few.txt --input rows.csv --output never.csv
says stderr "does not say which columns its categories' names belong to; give a .npy of codes"
{
    printf "\\223NUMPY\\001\\000\\166\\000%-117s\\n" \
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 6), }"
    head -c 48 /dev/zero
} >codes.npy
for model in few.txt lightgbm.txt; do
    expect 0 score --model $model --input codes.npy --output $model.npy
done
same few.txt.npy lightgbm.txt.npy "codes"

# ---- Converted, a feature that no split uses keeps being categorical.
sed -E 's/^(feature_infos=)\[[^ ]*/\10:1/; s/^(pandas_categorical:\[)/\1["p","q"],/' lightgbm.txt >unused.txt
expect 0 convert unused.txt written.txt
[ "$(grep ^feature_infos= unused.txt)" = "$(grep ^feature_infos= written.txt)" ] || fail "feature_infos"
[ ! -e never.csv ] || fail "a file was left behind"
echo "categories by their names"

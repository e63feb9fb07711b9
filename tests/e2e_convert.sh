#!/usr/bin/env bash
# Models of trees in other formats: what travels along, what comes back, and what is refused.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh
trees=$ROOT/tests/reference/trees
model=$trees/xgboost/3.2.0_logistic.json

# ---- A format's own way there and back is the same file; the format is the extension's or --to's.
expect 0 convert "$model" model.ubj
one_line
is command convert
is from xgboost
is to xgboost-ubj
is trees 6
is features 6
is encoder false
is same_bits true
expect 0 convert "$model" first.json
expect 0 convert model.ubj second.json
same first.json second.json "JSON by way of UBJSON"
expect 0 convert first.json third --to xgboost-ubj
same model.ubj third "UBJSON by way of JSON"
expect 0 convert "$model" - --to xgboost-json
same first.json stdout "standard output"
says stderr '^info: \{"command":"convert"'
head -c 30 first.json | grep -q '^{"learner":{"attributes":{}' || fail "$(head -c 30 first.json)"

expect 0 convert "$model" model.txt
is to lightgbm
is same_bits false
says model.txt '^objective=binary sigmoid:1$'
says model.txt '^feature_names=Column_0 Column_1'
expect 0 convert model.txt back.json
is from lightgbm
expect 0 convert model.txt again.txt
same model.txt again.txt "LightGBM text"

# ---- The encoder that prepare writes.
cat >table.csv <<'END'
a,b,c,d,e,f
1,2,3,4,5,6
2,3,4,5,6,8
3,5,2,1,1,9
END
expect 0 prepare --input table.csv --output table.npy
[ -s table.encoder.json ] || fail "no encoder beside the matrix"
for name in encoded.json encoded.ubj encoded.txt; do
    expect 0 convert "$model" $name --encoder table.encoder.json
    is encoder true
    expect 0 convert $name again.json
    is encoder true
done
grep -q '"blackspot_encoder":"{\\"' encoded.json || fail "no encoder in the attributes"
grep -q '"feature_names":\["a","b","c","d","e","f"\]' encoded.json || fail "names of the encoder"
says encoded.txt '^blackspot_encoder:\{"'
says encoded.txt '^feature_names=a b c d e f$'
tail -n 1 encoded.txt | grep -q '^pandas_categorical:null$' || fail "the last line is Python's"
expect 0 convert encoded.ubj again.json
same encoded.json again.json "the encoder in UBJSON"
expect 2 score --model encoded.json --input table.csv --features a,b,c,d,e,f --output never.csv
says stderr '--features: the model has an encoder, which knows the columns by name$'
expect 0 convert encoded.txt again.json
grep -q '"feature_names":\["a","b","c","d","e","f"\]' again.json || fail "names by way of LightGBM"

# ---- Refusals leave nothing behind, and an old file as it is.
rm -- *.json *.ubj *.txt *.csv *.npy third
echo old >kept.txt
expect 2 convert "$trees/xgboost/3.2.0_hinge.json" kept.txt
says stderr "no objective with the link of 'binary:hinge'"
[ "$(cat kept.txt)" = old ] || fail "the old file was touched"
expect 2 convert "$trees/lightgbm/4.7.0_linear.txt" out.json
says stderr 'cannot write out.json: XGBoost has no linear leaves'
expect 2 convert "$model" out.model
says stderr "which format\? 'out.model' ends neither in .json"
expect 2 convert "$model" out --to onnx
says stderr "--to: 'onnx' is none of xgboost-json, xgboost-ubj, lightgbm"
expect 2 convert "$model"
says stderr 'blackspot convert MODEL OUT'
expect 2 convert
expect 2 convert "$model" a.json b.json
says stderr "unexpected argument 'b.json'"
expect 1 convert "$model" nowhere/out.json
expect 1 convert missing.json out.json
says stderr 'missing.json: cannot open'
expect 1 convert kept.txt out.json
says stderr 'kept.txt:1: '
expect 1 convert "$model" out.json --encoder missing.encoder.json
says stderr 'missing.encoder.json: there is no such file'
printf 'a,b\n1,2\n3,4\n' >narrow.csv
expect 0 prepare --input narrow.csv --output narrow.npy
expect 1 convert "$model" out.json --encoder narrow.encoder.json
says stderr 'narrow.encoder.json: the encoder has 2 features, the model 6'
cp narrow.encoder.json kept.json
expect 2 convert "$model" kept.json --encoder kept.json
says stderr 'kept.json is an input; it would be overwritten'
same narrow.encoder.json kept.json "the encoder"
rm kept.json
for end in gz zst; do
    expect 2 convert "$model" out.json.$end --to xgboost-json
    says stderr "out.json.$end: models are not read compressed; leave .gz or .zst off"
done
printf 'a,b,c,d,e,f\n1,2,3,4,5,6\n2,3,4,5,6,8\n' >six.csv
expect 0 prepare --input six.csv --output six.npy
expect 2 convert "$trees/xgboost/3.2.0_names.json" out.json --encoder six.encoder.json
says stderr "feature 0 is a, but the model's is Zeit"
printf '"a b","c[d",c,d,e,f\n1,2,3,4,5,6\n2,3,4,5,6,8\n' >odd.csv
expect 0 prepare --input odd.csv --output odd.npy
expect 2 convert "$trees/lightgbm/4.7.0_constant.txt" out.txt --encoder odd.encoder.json
says stderr "feature 0 is called 'a b', but LightGBM allows no blanks in names"
expect 2 convert "$model" out.json --encoder odd.encoder.json
says stderr "feature 1 is called 'c.d', but XGBoost allows no"
rm odd.*
sed 's/^pandas_categorical:.*/pandas_categorical:[]/' "$trees/lightgbm/4.7.0_regression.txt" >numbers.txt
expect 0 convert numbers.txt out.json
! grep -q '"cats"' out.json || fail "categories of a table without any"
expect 0 convert numbers.txt out.txt
says out.txt '^pandas_categorical:\[\]$'
rm numbers.txt out.json out.txt
ln -s /dev/full full.json
expect 1 convert "$model" full.json
says stderr 'cannot write full.json: No space left'
only kept.txt narrow.csv narrow.npy narrow.encoder.json six.csv six.npy six.encoder.json full.json

expect 0 convert --help
says stdout 'Usage: blackspot convert MODEL OUT'
says stdout '--encoder=FILE'
echo "models convert"

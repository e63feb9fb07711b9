#!/usr/bin/env bash
# Scores: formats, ids, columns in another order, batches, and agreement with training.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

year=$ROOT/data/gb-2015/Accidents_2015.csv.gz
config=$ROOT/config/gb-2015.yaml
expect 0 train kmeans --config "$config" --input "$year" --k 5 --output model.json
blackspot info --json model.json | grep -o '"size":[0-9]*' | sed 's/.*://' >sizes

# ---- Ids carried through; as many rows in each cluster as training counted.
expect 0 score --model model.json --input "$year" --id Accident_Index --output scores.csv
one_line
is rows 140038
[ "$(head -n 1 scores.csv)" = Accident_Index,cluster,distance ] || fail "$(head -n 1 scores.csv)"
tail -n +2 scores.csv | cut -d, -f2 | sort -n | uniq -c | awk '{ print $1 }' >counted
same sizes counted "sizes of the clusters"
zcat "$year" | awk -F, 'NR > 1 && $12 != "" { print $1 }' >ids # 18 have no time
tail -n +2 scores.csv | cut -d, -f1 >carried
same ids carried "ids"

# ---- How the files are read is no part of the model.
printf 'caf\351;n\nGr\340cia;1\nEixample;9\n' >latin1.csv
printf '\303\251;n;caf\303\251\n?;1;Gr\303\240cia\n?;9;Eixample\n' >utf8.csv
printf 'input: {encoding: latin1}\ncolumns: {caf\303\251: category, n: number}\n' >latin1.yaml
printf 'features: [{column: caf\303\251, encode: one_hot}, n]\n' >>latin1.yaml
expect 0 train kmeans --config latin1.yaml --input latin1.csv --k 2 --output words.json
expect 0 score --model words.json --input utf8.csv --output utf8-scores.csv
expect 1 score --model words.json --input latin1.csv --output latin1-scores.csv
says stderr 'the header is not UTF-8'
expect 0 score --model words.json --set input.encoding=latin1 --input latin1.csv \
    --output latin1-scores.csv
same utf8-scores.csv latin1-scores.csv "scores of two encodings"
echo 'Sants;one' >>latin1.csv
expect 3 score --model words.json --config latin1.yaml --input latin1.csv --output never.csv
echo 'Sants' >>latin1.csv && sed -i /one/d latin1.csv
expect 3 score --model words.json --config latin1.yaml --input latin1.csv --output never.csv
expect 0 score --model words.json --config latin1.yaml --set input.on_bad_row=drop \
    --input latin1.csv --output latin1-scores.csv
same utf8-scores.csv latin1-scores.csv "scores without the bad row"
says stderr '^warning: 1 rows that could not be read were left out'

# ---- Formats say the same.
for name in scores.csv.gz scores.csv.zst scores.jsonl; do
    expect 0 score --model model.json --input "$year" --id Accident_Index --output again-$name
done
zcat again-scores.csv.gz | cmp -s scores.csv - || fail ".csv.gz differs"
if command -v zstd >/dev/null; then
    zstd -dcq again-scores.csv.zst | cmp -s scores.csv - || fail ".csv.zst differs"
fi
sed 's/^{"Accident_Index":"\(.*\)","cluster":\(.*\),"distance":\(.*\)}$/\1,\2,\3/' \
    again-scores.jsonl >lines
tail -n +2 scores.csv | cmp -s lines - || fail ".jsonl differs: $(head -n 1 again-scores.jsonl)"
blackspot score --model model.json --input "$year" --id Accident_Index --output - \
    >stdout 2>stderr || fail "scores to standard output"
same scores.csv stdout "standard output"
says stderr '^info: \{"command":"score"'
expect 0 score --model model.json --input "$year" --output scores.npy
head -c 128 scores.npy | grep -aq "'descr': '<i4'.*'shape': (140038,)" || fail "scores.npy"
expect 0 score --model model.json --input "$year" --output scores.npy --output-kind distance
head -c 128 scores.npy | grep -aq "'descr': '<f8'" || fail "distances in scores.npy"
expect 0 score --model model.json --input "$year" --output labels.csv --output-kind label
cut -d, -f2 scores.csv | cmp -s - labels.csv || fail "--output-kind label"

# ---- Neither threads nor batches nor instruction sets show.
expect 0 score --model model.json --input "$year" --id Accident_Index --output again.csv --threads 1 \
    --batch-rows 100
same scores.csv again.csv "one thread"
BLACKSPOT_CPU=ref expect 0 score --model model.json --input "$year" --id Accident_Index \
    --output again.csv
same scores.csv again.csv "the reference kernels"

# ---- Columns in another order, others missing, rows of one file in two.
zcat "$year" | tr -d '\r' | awk -F, -v OFS=, '{ for (i = NF; i > 1; i--) printf "%s,", $i; print $1 }' \
    >turned.csv
expect 0 score --model model.json --input turned.csv --id Accident_Index --output again.csv
same scores.csv again.csv "columns in another order"
head -n 70001 turned.csv >first.csv
{ head -n 1 turned.csv && tail -n +70002 turned.csv; } >second.csv
expect 0 score --model model.json --input first.csv --input second.csv --id Accident_Index \
    --output again.csv
same scores.csv again.csv "two files"
gzip -c turned.csv | blackspot score --model model.json --input - --id Accident_Index \
    --output again.csv >stdout 2>stderr || fail "scores of standard input"
same scores.csv again.csv "a compressed pipe"

# ---- The matrix that prepare wrote, and a model that has no encoder.
expect 0 prepare --config "$config" --input "$year" --output matrix.npy
expect 0 score --model model.json --input matrix.npy --output again.csv
cut -d, -f2,3 scores.csv | cmp -s - again.csv || fail "the matrix is scored differently"
mv matrix.npy bare.npy # away from its encoder
expect 0 train kmeans --input bare.npy --k 3 --output bare.json
expect 0 score --model bare.json --input bare.npy --output labels.npy
expect 0 info bare.json
says stdout 'has no encoder'
width=$(blackspot info --json bare.json | grep -o '"x[0-9]*"' | wc -l)
{
    seq -f 'x%g' -s, 0 $((width - 1))
    for row in 1 2 3; do seq -s, "$row" $((row + width - 1)); done
} >plain.csv
expect 0 score --model bare.json --input plain.csv --id x0 --output plain_scores.csv
[ "$(wc -l <plain_scores.csv)" -eq 4 ] || fail "a table without an encoder"
says plain_scores.csv '^3,[0-2],'
echo "scores in every format"

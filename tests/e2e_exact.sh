#!/usr/bin/env bash
# The same model file, byte for byte, whatever computes it and however the rows come in.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

year=$ROOT/data/gb-2015/Accidents_2015.csv.gz
config=$ROOT/config/gb-2015.yaml

train() {
    local model=$1
    shift
    expect 0 train kmeans --config "$config" --input "$year" --k 5 --output "$model" "$@"
}

train model.json
for threads in 1 2 7; do
    train other.json --threads "$threads"
    same model.json other.json "$threads threads"
done
for set in ref avx2 avx512; do
    if [ "$set" != ref ] && ! grep -qm 1 "$set" /proc/cpuinfo; then
        echo "skipped: this processor has no $set"
        continue
    fi
    BLACKSPOT_CPU=$set train other.json
    says stdout "\"device\":\"cpu \($set"
    same model.json other.json "$set"
    BLACKSPOT_CPU=$set train other.json --compact off --threads 2
    same model.json other.json "$set without compaction"
done
for rows in 1000 4096; do
    train other.json --batch-rows "$rows"
    same model.json other.json "batches of $rows rows"
    train other.json --batch-rows "$rows" --compact off --threads 7
    same model.json other.json "batches of $rows rows without compaction"
done
train other.json --compact on
same model.json other.json "with compaction"
train other.json --compact off
same model.json other.json "without compaction"
train several.json --n-init 3 --init random --seed 7
train other.json --n-init 3 --init random --seed 7 --compact off --batch-rows 1000 --threads 7
same several.json other.json "random starts"

# Shuffled rows, from given centres: those of another model, in the units of the matrix.
{
    blackspot info --json model.json | sed 's/.*"features":\[\([^]]*\).*/\1/; s/"//g'
    tr -d '\n\t ' <several.json | sed 's/.*"centres"://' | grep -o '\[[^][]*\]' | tr -d '[]'
} >centres.csv
[ "$(wc -l <centres.csv)" -eq 6 ] || fail "centres: $(cat centres.csv)"
train given.json --init centres.csv
zcat "$year" | awk 'NR == 1 { print; fflush(); next } { print | "sort -t, -k 12,12 -k 1,1r" }' \
    >shuffled.csv
year=shuffled.csv
train other.json --init centres.csv
same given.json other.json "shuffled rows"
echo "one model, bit for bit"

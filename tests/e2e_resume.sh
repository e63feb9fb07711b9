#!/usr/bin/env bash
# A training that is stopped by a signal and gone on with: the same model as one that never stopped.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

year=$ROOT/data/gb-2015/Accidents_2015.csv.gz
config=$ROOT/config/gb-2015.yaml
set -m # so that signals reach the job

# stop_at REGEX ARGS...: runs blackspot until a line of its log matches, then asks it to stop. Fails
# when it was done before.
stop_at() {
    local line=$1 code=0
    shift
    rm -f 'the model.json' mixture.json
    : >stderr # no line of the command before
    "$BLACKSPOT" "$@" >stdout 2>>stderr &
    until grep -Eq -- "$line" stderr || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
    kill -TERM $! 2>/dev/null || true
    wait $! || code=$?
    [ "$code" -eq 143 ] || [ "$code" -eq 0 ] || fail "exit code $code after SIGTERM: blackspot $*"
    [ "$code" -eq 143 ]
}

# go_on: runs the command that standard error names.
go_on() {
    local again
    again=$(sed -n 's/^warning: .* it goes on with: //p' stderr)
    [ -n "$again" ] || fail "no command that goes on"
    eval "$again" >stdout 2>stderr || fail "exit code $?: $again"
}

expect 0 prepare --config "$config" --input "$year" --output year.npy

# ---- KMeans, stopped in its second run or later; more of them where the machine is too fast.
runs=8
until stop_at 'run 0: ' train kmeans --input year.npy --k 8 --n-init $runs --tol 0 --compact off \
    --log-level debug --output 'the model.json'; do
    runs=$((runs * 2))
    [ $runs -le 4096 ] || fail "never stopped in time"
done
says stderr 'stopped$'
[ ! -e 'the model.json' ] || fail "a model of a stopped training"
cp 'the model.json.checkpoint' kept
go_on
one_line
says stderr 'goes on with run [0-9]+ of '
says stderr 'removed the model.json.checkpoint'
[ ! -e 'the model.json.checkpoint' ] || fail "a checkpoint of a training that is done"
expect 0 train kmeans --input year.npy --k 8 --n-init $runs --tol 0 --output whole.json
same 'the model.json' whole.json "stopped and gone on with"

# On other threads, with merged rows: the same.
cp kept whole.json.checkpoint
expect 0 train kmeans --input year.npy --k 8 --n-init $runs --tol 0 --threads 1 --resume \
    --output whole.json
same 'the model.json' whole.json "gone on with in another way"

# With rows that stay in their file: the same, while the limit leaves a sanitizer alone.
if [ -z "${BLACKSPOT_SANITIZE:-}" ]; then
    cp kept whole.json.checkpoint
    expect 0 train kmeans --input year.npy --k 8 --n-init $runs --tol 0 --memory 64M --resume \
        --output whole.json
    same 'the model.json' whole.json "gone on with under --memory"
fi

# ---- Killed: what was written in time goes on. More runs where the machine is too fast.
runs=8
killed() {
    rm -f killed.json*
    "$BLACKSPOT" train kmeans --input year.npy --k 8 --n-init $runs --tol 0 --compact off \
        --checkpoint-every 0 --output killed.json >stdout 2>stderr &
    until [ -e killed.json.checkpoint ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
    kill -KILL $! 2>/dev/null || true
    ! wait $!
}
until killed; do
    runs=$((runs * 2))
    [ $runs -le 4096 ] || fail "never killed in time"
done
rm -f .killed.json* # a writer's temporary file
expect 0 train kmeans --input year.npy --k 8 --n-init $runs --tol 0 --resume --output killed.json
says stderr 'goes on with run [0-9]+ of '
[ ! -e killed.json.checkpoint ] || fail "a checkpoint of a training that is done"
expect 0 train kmeans --input year.npy --k 8 --n-init $runs --tol 0 --output whole.json
same killed.json whole.json "killed and gone on with"
expect 2 train kmeans --input year.npy --k 8 --checkpoint-every -1 --output whole.json
says stderr 'checkpoint-every: -1 is out of range'

# ---- A mixture of which the first k is done.
iterations=100
until stop_at '^info: k 2: ' train gmm --input year.npy --k 2..4 --covariance diag --tol 0 \
    --max-iter $iterations --output mixture.json; do
    iterations=$((iterations * 2))
    [ $iterations -le 51200 ] || fail "never stopped in time"
done
go_on
says stderr 'k 2: taken from the checkpoint'
expect 0 train gmm --input year.npy --k 2..4 --covariance diag --tol 0 --max-iter $iterations \
    --output whole.json
same mixture.json whole.json "a range of k, stopped and gone on with"

# ---- Refused, and left as it is: other options, other data, damage.
train=(train kmeans --k 8 --n-init "$runs" --tol 0 --output m.json --resume)
cp kept m.json.checkpoint
expect 2 "${train[@]}" --input year.npy --seed 1
says stderr 'm.json.checkpoint: made with seed 0, and now it is 1; go on with the same'
expect 2 train kmeans --k 7 --input year.npy --output m.json --resume
says stderr 'm.json.checkpoint: holds a fit with k = 8, which this command does not make'
expect 2 train gmm --k 8 --input year.npy --output m.json --resume
says stderr 'm.json.checkpoint: of another kind of model'
zcat "$year" | tr -d '\r' | cut -d, -f7,8 | sed -n 1,4001p >table.csv
expect 2 "${train[@]}" --input table.csv
says stderr 'm.json.checkpoint: made from 140038 rows of 4 columns, and these are 4000 of 2'
same kept m.json.checkpoint
head -c 200 kept >m.json.checkpoint
expect 1 "${train[@]}" --input year.npy
says stderr 'm.json.checkpoint: damaged or cut short; delete it to start afresh'
[ ! -e m.json ] || fail "a model from a damaged checkpoint"
expect 2 train kmeans --k 2 --input table.csv --output - --resume
says stderr 'only a model that goes to a file has a checkpoint'

# ---- Without a checkpoint --resume starts afresh; without --resume a checkpoint is not used.
rm m.json.checkpoint
expect 0 train kmeans --k 2 --input table.csv --output m.json --resume
says stderr 'there is no m.json.checkpoint: starting afresh'
cp m.json fresh.json
cp kept m.json.checkpoint
expect 0 train kmeans --k 2 --input table.csv --output m.json
says stderr 'starting afresh; with --resume the training in m.json.checkpoint would go on'
same m.json fresh.json
[ ! -e m.json.checkpoint ] || fail "a checkpoint beside a model that is done"
echo "trainings stopped, refused and gone on with"

#!/usr/bin/env bash
# --memory: rows that exceed it stay in their file and in temporary ones beside the output. The
# model has the same bits, resident memory stays below, and nothing is left behind.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

# Peak resident memory of the command in kB, from outside: the kernel's VmHWM of a child.
if [ -n "${BLACKSPOT_SANITIZE:-}" ] || ! command -v python3 >/dev/null; then
    echo "no peak memory to measure here"
    exit 77
fi
limited() { # limited LIMIT(MB) ARGUMENTS...: runs with --memory and checks it from outside
    python3 - "$BLACKSPOT" "$@" <<'END' || fail "--memory $1M: $(cat stderr)"
import resource, subprocess, sys
program, limit, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
with open('stdout', 'w') as out, open('stderr', 'w') as err:
    code = subprocess.run([program, *arguments, '--memory', f'{limit}M'], stdout=out, stderr=err).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
if code != 0 or peak > limit * 1024:
    sys.exit(f'exit code {code}, peak {peak} kB of {limit * 1024} kB')
END
}
empty() { # empty FOLDER NAME...: nothing else is in it
    local folder=$1
    shift
    [ "$(ls -A "$folder")" = "$*" ] || fail "left in $folder: $(ls -A "$folder")"
}

# ---- Data: 1,200,000 rows of 4 columns, 19 MB as .npy; some of them as .csv with weights.
python3 - <<'END'
import random, struct
random.seed(1)
centres = [[random.uniform(-20, 20) for _ in range(4)] for _ in range(5)]
rows, distinct = 1200000, 20011
block = [[random.gauss(m, 1) for m in centres[i % 5]] for i in range(distinct)]
def header(shape):
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }" % (shape,)
    text += ' ' * (117 - len(text)) + '\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', 118) + text.encode()
def write(name, change):
    with open(name, 'wb') as out:
        out.write(header((rows, 4)))
        for first in range(0, rows, distinct):
            count = min(distinct, rows - first)
            out.write(struct.pack('<%df' % (4 * count),
                                  *[change(x, first) for row in block[:count] for x in row]))
write('rows.npy', lambda x, first: x + first * 1e-5)
write('few.npy', lambda x, first: round(x / 4))
with open('rows.csv', 'w') as out:
    out.write('a,b,c,d,w\n')
    for first in range(0, 300000, distinct):
        for i, row in enumerate(block):
            out.write('%.5g,%.5g,%.5g,%.5g,%d\n' % (*[x + first * 1e-5 for x in row], 1 + i % 3))
END
mkdir out

# ---- The same models, in bounded memory.
both() { # both LIMIT ARGUMENTS...: trains with and without a limit
    local limit=$1
    shift
    expect 0 "$@" --output free.json
    limited "$limit" "$@" --output out/model.json
    cmp -s free.json out/model.json || fail "other bits with --memory: $*"
    empty out model.json
}
both 24 train kmeans --input rows.npy --k 5 --n-init 2 --max-iter 6
says stderr 'rows stream through temporary files'
both 24 train kmeans --input rows.npy --k 30 --init random --n-init 2 --max-iter 3
both 24 train kmeans --input rows.npy --k 6 --n-init 10 --max-iter 4
both 24 train kmeans --input rows.npy --k 9 --init random --n-init 10 --max-iter 2
both 24 train kmeans --input few.npy --k 4
both 24 train kmeans --input few.npy --k 4 --compact off --max-iter 4
both 24 train kmeans --input rows.npy --k 5 --mini-batch 5000 --max-iter 2
both 24 train gmm --input rows.npy --k 3 --max-iter 3
both 24 train gmm --input rows.npy --k 3 --covariance diag --max-iter 3 --init random
both 24 train gmm --input rows.npy --k 2 --covariance diag --n-init 4 --max-iter 2
both 24 train gmm --input few.npy --k 2 --covariance diag --max-iter 3
both 36 train kmeans --input rows.csv --sample-weight w --k 5
both 36 train gmm --input rows.csv --sample-weight w --k 2 --covariance tied --max-iter 2
expect 0 train kmeans --input rows.npy --k 5 --max-iter 6 --output free.json
both 24 train kmeans --input rows.npy --k 3..4 --max-iter 2
both 24 train kmeans --input few.npy --k 4 --measures
cp free.json kept.json
both 24 train kmeans --update kept.json --input rows.npy
both 36 train kmeans --update kept.json --input rows.npy --mini-batch 100000

# ---- Scores.
expect 0 score --model free.json --input rows.npy --output free.npy
limited 24 score --model free.json --input rows.npy --output out/labels.npy
cmp -s free.npy out/labels.npy || fail "other labels with --memory"
limited 32 score --model free.json --input rows.npy --output out/labels.csv
rm out/labels.npy out/labels.csv

# ---- What cannot be: too little for anything, a file cut short, a disk that is full.
expect 1 train kmeans --input rows.npy --k 5 --output out/model.json --memory 4M
says stderr 'allow'
head -c 10000000 rows.npy >cut.npy
expect 1 train kmeans --input cut.npy --k 5 --output out/model.json --memory 24M
says stderr 'cut short'
(
    ulimit -f 8000 # blocks of 1 kB: a file that may not grow, as on a full disk
    "$BLACKSPOT" train kmeans --input rows.npy --k 5 --output out/new.json --memory 24M \
        >stdout 2>stderr
    [ $? -eq 1 ]
) || fail "a full disk: $(cat stderr)"
says stderr 'cannot reserve'
empty out model.json

# ---- Stopped in whatever way, nothing is left.
for signal in INT TERM KILL; do
    env --default-signal "$BLACKSPOT" train kmeans --input rows.npy --k 200 --tol 0 --n-init 50 \
        --init random --output out/new.json --memory 24M >stdout 2>stderr &
    job=$!
    for _ in $(seq 100); do
        grep -q 'rows stream' stderr && break
        sleep 0.1
    done
    kill -"$signal" "$job"
    ! wait "$job" || fail "SIG$signal: it was not stopped"
    rm -f out/new.json.checkpoint
    empty out model.json
done

#!/usr/bin/env bash
# Not a test of ctest's: 4 GB of rows under --memory 512M, as .npy and as .csv; peak memory and time
# of each run, and whether the models have the bits of a run in memory (which takes 12 GB).
#
#     tests/streaming_4gb.sh BLACKSPOT FOLDER [ROWS]
#
# FOLDER needs 20 GB; what is made there stays: big.npy and big.csv are not made again. python3 with
# numpy is needed.
set -euo pipefail
program=$(realpath "$1")
folder=$2 rows=${3:-268435456}
mkdir -p "$folder"
cd "$folder"

python3 - "$rows" <<'END'
import os, sys
import numpy as np
rows, step, random = int(sys.argv[1]), 1 << 20, np.random.default_rng(4)
centres = random.normal(size=(5, 4)) * 8
def blobs(count):
    return (centres[random.integers(0, 5, count)] + random.standard_normal((count, 4))).astype('f4')
if not os.path.exists('big.npy'):
    x = np.lib.format.open_memmap('big.npy', mode='w+', dtype='f4', shape=(rows, 4))
    for first in range(0, rows, step):
        x[first:first + step] = blobs(min(step, rows - first))
if not os.path.exists('big.csv'):
    size = rows * 16
    text = ''.join('%.5f,%.5f,%.5f,%.5f\n' % tuple(row) for row in blobs(step))
    with open('big.csv', 'w') as out:
        out.write('a,b,c,d\n')
        for _ in range(max(1, size // len(text))):
            out.write(text)
END

measured() { # measured NAME ARGUMENTS...: seconds and the kernel's peak memory of the child
    python3 - "$@" <<'END'
import resource, subprocess, sys, time
name, started = sys.argv[1], time.time()
code = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print('%-28s exit code %d, %.1f s, peak %.0f MB' % (name, code, time.time() - started, peak))
sys.exit(code)
END
}
for data in big.npy big.csv; do
    for model in kmeans gmm; do
        options=(--k 5 --max-iter 8)
        [ $model = kmeans ] || options=(--k 3 --covariance diag --max-iter 3)
        measured "$model $data 512M" "$program" train $model --input $data "${options[@]}" \
            --output $model-512M.json --memory 512M --quiet
        measured "$model $data" "$program" train $model --input $data "${options[@]}" \
            --output $model.json --quiet
        cmp $model.json $model-512M.json && echo "the same bits"
    done
    measured "score $data 512M" "$program" score --model kmeans.json --input $data \
        --output labels.npy --memory 512M --quiet
done

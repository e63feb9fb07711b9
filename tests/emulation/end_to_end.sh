#!/usr/bin/env bash
# The program with the CUDA backend, emulated: the CPU's models byte for byte on real accidents, and
# what it says where there is no GPU to be had. EMULATED names the emulated plugin
# by its full path.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh
year=$ROOT/data/gb-2015/Accidents_2015.csv.gz
config=$ROOT/config/gb-2015.yaml

# both ARGS...: the same job on both devices.
both() {
    expect 0 train kmeans --device cpu --output cpu.json "$@"
    expect 0 train kmeans --device cuda --set engine.cuda_library="$EMULATED" --output cuda.json "$@"
    is device "cuda:0 (emulated CUDA device)"
    same cpu.json cuda.json "$*"
}

both --config "$config" --input "$year" --k 5
both --config "$config" --input "$year" --k 5 --init random --n-init 2 --seed 3 --batch-rows 2000
zcat "$year" | awk -F, 'NR == 1 || ($4 != "" && NR % 9 == 0) { print $4 "," $5 }' >points.csv
both --input points.csv --k 12 --max-iter 12
both --input points.csv --k 30 --max-iter 4 --compact off --batch-rows 5000

# Scores: labels and distances.
expect 0 score --model cpu.json --input points.csv --output cpu.csv
expect 0 score --model cpu.json --input points.csv --output cuda.csv --device cuda \
    --set engine.cuda_library="$EMULATED"
same cpu.csv cuda.csv scores

# Forests: the device named is the one that scored them.
printf 'a,b,c,d,e,f\n1,2,3,4,5,6\n-1,0,1,0.5,2,0\n' >six.csv
for model in xgboost/3.2.0_squared.json:cuda lightgbm/4.7.0_linear.txt:cpu; do
    path=$ROOT/tests/reference/trees/${model%:*}
    expect 0 score --model "$path" --input six.csv --features a,b,c,d,e,f --output cpu.csv
    expect 0 score --model "$path" --input six.csv --features a,b,c,d,e,f --output cuda.csv \
        --device cuda --set engine.cuda_library="$EMULATED"
    case $(value device) in "${model#*:}"*) ;; *) fail "$model: $(value device)" ;; esac
    same cpu.csv cuda.csv "$model"
done

# no_gpu MACHINE REGEX: why the GPU cannot be used, from devices and from train, which fails.
no_gpu() {
    export CUDA_EMULATION=$1
    expect 0 devices --set engine.cuda_library="$library"
    says stdout "no +.*$2"
    expect 1 train kmeans --input points.csv --k 3 --output never.json --device cuda \
        --set engine.cuda_library="$library"
    says stderr "device 'cuda': .*$2"
    [ ! -e never.json ] || fail "a model without a device"
    unset CUDA_EMULATION
}

library=$EMULATED
no_gpu no-driver "no NVIDIA driver is installed"
no_gpu old-driver "driver is too old: it serves CUDA 11.4, this backend needs 13.0"
no_gpu no-device "sees no GPU"
no_gpu old-device "compute capability is 6.1, this backend needs 7.5"
no_gpu busy "busy or unavailable"
library=missing.so
no_gpu "" "the CUDA backend is not here: .*missing.so was not found"
echo "no library" >broken.so
library=broken.so
no_gpu "" "was found, but does not load: .*broken.so"
cat >other.c <<'END'
struct tables { unsigned version; } tables = {99};
struct tables *spot_backend_entry(unsigned engine) { return engine == 0 ? 0 : &tables; }
END
if cc -shared -fPIC other.c -o other.so && cc -shared -fPIC -Dspot_backend_entry=none other.c -o none.so; then
    library=other.so
    no_gpu "" "another version: it speaks contract 99"
    library=none.so
    no_gpu "" "is no backend of blackspot"
fi

# Less memory on the card than the rows take: what has no room is sent in every pass, and the
# model is the same; with none at all it says so. Then devices by number and UUID.
small=(train kmeans --config "$config" --input "$year" --k 3 --compact off --max-iter 5)
expect 0 "${small[@]}" --device cpu --output cpu.json
for megabytes in 2 3; do
    CUDA_EMULATION=$megabytes expect 0 "${small[@]}" --device cuda \
        --set engine.cuda_library="$EMULATED" --output cuda.json
    says stderr "no room for all rows"
    same cpu.json cuda.json "$megabytes MB"
done
CUDA_EMULATION=3 expect 0 "${small[@]}" --batch-rows 3000 --device cuda \
    --set engine.cuda_library="$EMULATED" --output cuda.json
same cpu.json cuda.json "small batches"
CUDA_EMULATION=1 expect 1 "${small[@]}" --device cuda --set engine.cuda_library="$EMULATED" \
    --output never.json
says stderr "CUDA: no room for .* MB wanted, .* of 1 MB are free"
job=(train kmeans --input points.csv --k 3 --output one.json --max-iter 2)
for id in cuda:1 cuda:GPU-10111213-1415-1617-1819-1a1b1c1d1e1f; do
    expect 0 "${job[@]}" --set engine.cuda_library="$EMULATED" --device "$id"
    is device "cuda:1 (emulated CUDA device)"
done
expect 1 "${job[@]}" --set engine.cuda_library="$EMULATED" --device cuda:7
says stderr "there is no device 'cuda:7'"

# auto: a small job stays on the CPU, and says so; a large one asks for the GPU.
expect 0 "${job[@]}" --set engine.cuda_library="$EMULATED" --log-level debug
says stderr "device auto: cpu .*: the job is small"
expect 0 train kmeans --input points.csv --k 3000 --output one.json --max-iter 1 --init random \
    --n-init 12 --set engine.cuda_library=missing.so
says stderr "device auto: cpu .*: the CUDA backend is not here"
large=(train kmeans --config "$config" --input "$year" --k 300 --output one.json --max-iter 1
    --init random --n-init 7 --set engine.cuda_library="$EMULATED")
CUDA_EMULATION=1 expect 0 "${large[@]}"
says stderr "device auto: cpu .*: cuda:0 has 1 MB free, the rows may need 6 MB"
cp one.json cpu.json
expect 0 "${large[@]}"
says stderr "device auto: cuda:0 \(emulated CUDA device\)"
same cpu.json one.json "auto"

# Mixtures sum floating-point numbers: the models agree to 1e-6, number by number.
close_to() { # A B
    tr -c '0-9.eE+-' '\n' <"$1" | grep -E '[0-9]' >a.numbers
    tr -c '0-9.eE+-' '\n' <"$2" | grep -E '[0-9]' >b.numbers
    [ "$(wc -l <a.numbers)" -eq "$(wc -l <b.numbers)" ] || fail "$1 and $2 hold other numbers"
    paste a.numbers b.numbers | awk '{ d = $1 - $2; m = $1 < 0 ? -$1 : $1
        if (d > 1e-6 * (1 + m) || -d > 1e-6 * (1 + m)) { print > "/dev/stderr"; exit 1 } }' ||
        fail "$1 and $2 differ"
}

# Starts from clusters and from draws; rows whole and in batches.
for covariance in full tied diag spherical; do
    for init in kmeans random; do
        mixture=(train gmm --input points.csv --k 3 --covariance "$covariance" --init "$init"
            --max-iter 4)
        expect 0 "${mixture[@]}" --device cpu --output cpu.json
        expect 0 "${mixture[@]}" --device cuda --set engine.cuda_library="$EMULATED" \
            --output cuda.json
        is device "cuda:0 (emulated CUDA device)"
        close_to cpu.json cuda.json
    done
done
expect 0 "${mixture[@]}" --batch-rows 777 --device cuda --set engine.cuda_library="$EMULATED" \
    --output again.json
same cuda.json again.json "other batches"
for kind in label proba log_likelihood; do
    expect 0 score --model cpu.json --input points.csv --output cpu.csv --output-kind $kind
    expect 0 score --model cpu.json --input points.csv --output cuda.csv --output-kind $kind \
        --device cuda --set engine.cuda_library="$EMULATED"
    close_to cpu.csv cuda.csv
done

# Boosted trees: the same bits, of whatever is asked for.
forest=$ROOT/data/fr-baac-2021/severity.json
zcat "$ROOT/data/fr-baac-2021/X_test.csv.gz" | awk 'NR <= 1001' >cars.csv
for kind in margin value label leaf contributions; do
    expect 0 score --model "$forest" --input cars.csv --output cpu.csv --output-kind $kind
    expect 0 score --model "$forest" --input cars.csv --output cuda.csv --output-kind $kind \
        --device cuda --set engine.cuda_library="$EMULATED"
    same cpu.csv cuda.csv "trees: $kind"
    [ "$kind" = contributions ] || is device "cuda:0 (emulated CUDA device)"
done
expect 0 convert "$forest" cars.txt
expect 0 score --model cars.txt --input cars.csv --output cpu.csv --output-kind margin
expect 0 score --model cars.txt --input cars.csv --output cuda.csv --output-kind margin \
    --device cuda --set engine.cuda_library="$EMULATED"
same cpu.csv cuda.csv "trees of LightGBM"

# Rows of float64 are the CPU's.
for kind in kmeans gmm; do
    expect 1 train $kind --input points.csv --k 3 --float64 --device cuda --output x.json \
        --set engine.cuda_library="$EMULATED"
    says stderr "device 'cuda' takes no rows of float64; use the cpu, or rows of float32"
done
echo "the same models, and a word for every reason"

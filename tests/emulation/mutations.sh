#!/usr/bin/env bash
# Proves that the tests of the kernels would notice a bug: applies every deliberate bug of
# mutations/*.sed to a copy of kernels/ and host/numerics/, builds it with the emulation and demands
# that a test fails; first as it is, then under the thread sanitizer, which sees races that a lucky
# order of threads hides. The first line of a bug says what it is; a second one, `# test: PROGRAM
# NAME`, which test notices it (default: all of test_cuda_emulation); a third one, `# machine: NAME`,
# the value of CUDA_EMULATION.
#
# usage: mutations.sh CXX CC WORK_DIRECTORY [NAME ...]
set -euo pipefail
CXX=$1 CC=$2 work=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$work"
work=$(cd "$work" && pwd)
flags=(-O1 -ffp-contract=off -fno-strict-aliasing -w -I"$here")
includes=(-I"$root/host" -I"$root/include" -I"$root/tests" -I"$root")
export TSAN_OPTIONS="halt_on_error=1 report_signal_unsafe=0"
unset BLACKSPOT_CUDA_LIBRARY

cxx() { # SOURCE OBJECT FLAGS...
    local source=$1 object=$2
    shift 2
    "$CXX" -std=c++20 "${flags[@]}" "$@" "${includes[@]}" -MMD -x c++ -c "$source" -o "$object"
}

cc() { # SOURCE OBJECT FLAGS...
    local source=$1 object=$2
    shift 2
    "$CC" -std=c11 "${flags[@]}" "$@" "${includes[@]}" -c "$source" -o "$object"
}

# Everything without a bug: FOLDER/{common,test_NAME,kernels}/*.o. The emulation itself is never
# instrumented: see there.
build_all() { # FOLDER FLAGS...
    local folder=$1 source
    shift
    mkdir -p "$folder"/{common,kernels,test_cuda_emulation,test_backend,test_backend_mixture,test_forest_score}
    cxx "$here/cuda_emulation.cpp" "$folder/common/emulation.o" "$@" -fno-sanitize=thread
    cxx "$here/cuda_runtime.cpp" "$folder/common/runtime.o" "$@"
    cc "$root/host/base/error.c" "$folder/common/error.o" "$@"
    cxx "$root/tests/test_cuda_emulation.cpp" "$folder/test_cuda_emulation/test.o" "$@"
    for source in test_backend test_backend_mixture test_forest_score; do
        cc "$root/tests/$source.c" "$folder/$source/test.o" "$@"
        cc "$root/host/base/pool.c" "$folder/$source/pool.o" "$@"
        cc "$root/host/base/memory.c" "$folder/$source/memory.o" "$@"
    done
    for source in "$root"/kernels/*.cu; do
        cxx "$source" "$folder/kernels/$(basename "$source").o" "$@"
    done
}

# Links the kernels of a folder with a test.
link() { # VARIANT_FOLDER PROGRAM KERNELS_FOLDER OUTPUT FLAGS...
    local variant=$1 program=$2 kernels=$3 output=$4
    shift 4
    "$CXX" "$@" "$kernels"/*.o "$variant"/common/*.o "$variant/$program"/*.o \
        -lcunit -lpthread -ldl -lm -o "$output"
}

# The thread sanitizer wants a plain address layout; where that may not be set, we try as is.
plain_layout=()
if setarch -R true 2>/dev/null; then plain_layout=(setarch -R); fi
machine=
run() { # PROGRAM [TEST]
    (CUDA_EMULATION=$machine "${plain_layout[@]}" timeout 120 "$@" >"$1.log" 2>&1) 2>/dev/null
}

build_all "$work/plain" &
plain=$!
build_all "$work/tsan" -fsanitize=thread
wait "$plain"
# The test of a program that is short enough for the thread sanitizer.
short_test() { # PROGRAM
    if [ "$1" = test_cuda_emulation ]; then echo "takes many rows"; else echo "does everything once"; fi
}

for program in test_cuda_emulation test_backend test_backend_mixture test_forest_score; do
    test=$(short_test $program)
    link "$work/plain" $program "$work/plain/kernels" "$work/plain/$program.run"
    link "$work/tsan" $program "$work/tsan/kernels" "$work/tsan/$program.run" -fsanitize=thread
    run "$work/plain/$program.run" "$test" ||
        { cat "$work/plain/$program.run.log"; echo "fails without any bug"; exit 1; }
    run "$work/tsan/$program.run" "$test" ||
        { cat "$work/tsan/$program.run.log"; echo "the thread sanitizer finds fault without any bug"
          exit 1; }
done

# The kernels of a variant with those replaced that a changed file is part of.
build_changed() { # VARIANT FOLDER CHANGED FLAGS...
    local variant=$1 folder=$2 changed=$3 object source
    shift 3
    mkdir -p "$folder/$variant"
    for object in "$work/$variant"/kernels/*.o; do
        source=$(basename "$object" .o)
        if grep -qFf "$changed" "${object%.o}.d"; then
            cxx "$folder/source/kernels/$source" "$folder/$variant/$source.o" \
                -I"$folder/source" -I"$folder/source/host" "$@"
        else
            ln -sf "$object" "$folder/$variant/$source.o"
        fi
    done
}

# Tries one bug and leaves one line of result.
try() { # SCRIPT
    local name folder program=test_cuda_emulation test="" race machine
    name=$(basename "$1" .sed)
    folder=$work/bugs/$name
    read -r program test < <(sed -n 's/^# test: //p' "$1"; echo test_cuda_emulation)
    race=$(short_test "$program")
    machine=$(sed -n 's/^# machine: //p' "$1")
    rm -rf "$folder"
    mkdir -p "$folder/source/host"
    cp -r "$root/kernels" "$folder/source/"
    cp -r "$root/host/numerics" "$folder/source/host/"
    sed -i -f "$1" "$folder"/source/kernels/* "$folder"/source/host/numerics/*
    { diff -rq "$root/kernels" "$folder/source/kernels" || true
      diff -rq "$root/host/numerics" "$folder/source/host/numerics" || true; } |
        sed -E "s|^Files $root/(.*) and .*|/\1|" >"$folder/changed"
    if [ ! -s "$folder/changed" ]; then
        echo "$name: MISSED, for it changes nothing any more"
        return
    fi
    build_changed plain "$folder" "$folder/changed"
    link "$work/plain" "$program" "$folder/plain" "$folder/plain.run"
    if ! run "$folder/plain.run" ${test:+"$test"}; then
        echo "$name: caught"
        return
    fi
    build_changed tsan "$folder" "$folder/changed" -fsanitize=thread
    link "$work/tsan" "$program" "$folder/tsan" "$folder/tsan.run" -fsanitize=thread
    if ! run "$folder/tsan.run" "$race"; then
        echo "$name: caught by the thread sanitizer"
    else
        echo "$name: MISSED: $(sed -n '1s/^# //p' "$1")"
    fi
}

rm -f "$work"/*.result
for script in "$here"/mutations/*.sed; do
    name=$(basename "$script" .sed)
    [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
    [ "$(jobs -r | wc -l)" -lt 2 ] || wait -n
    { try "$script" || echo "$name: MISSED, for it does not build"; } >"$work/$name.result" &
done
wait
cat "$work"/*.result
! grep -q MISSED "$work"/*.result

#!/usr/bin/env bash
# Proves that the tests of the kernels would notice a bug: applies every deliberate bug of
# mutations/*.sed to a copy of kernels/ and host/numerics/, builds it with the emulation and demands
# that the tests fail; first as they are, then under the thread sanitizer, which sees races that a lucky order of
# threads hides.
#
# usage: mutations.sh CXX CC WORK_DIRECTORY [NAME ...]
set -euo pipefail
CXX=$1 CC=$2 work=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$work"
work=$(cd "$work" && pwd)
flags=(-O1 -ffp-contract=off -fno-strict-aliasing -w
    -I"$here" -I"$root/host" -I"$root/include" -I"$root/tests")
export TSAN_OPTIONS="halt_on_error=1 report_signal_unsafe=0"

compile() { # SOURCE OBJECT FLAGS...
    local source=$1 object=$2
    shift 2
    "$CXX" -std=c++17 "$@" "${flags[@]}" -x c++ -c "$source" -o "$object"
}

# What does not change from bug to bug. The emulation itself is never instrumented: see there.
build_common() { # FOLDER FLAGS...
    local folder=$1
    shift
    mkdir -p "$folder"
    compile "$here/cuda_emulation.cpp" "$folder/a.o" "$@" -fno-sanitize=thread
    compile "$here/cuda_runtime.cpp" "$folder/b.o" "$@"
    compile "$root/tests/test_cuda_emulation.cpp" "$folder/c.o" -I"$root" "$@"
    "$CC" -std=c11 "${flags[@]}" "$@" -c "$root/host/base/error.c" -o "$folder/d.o"
}

# Links the kernels in SOURCES with the common objects for VARIANT into FOLDER/VARIANT.
build_kernels() { # VARIANT FOLDER SOURCES FLAGS...
    local variant=$1 folder=$2 sources=$3
    shift 3
    compile "$sources/kernels/kmeans_assign.cu" "$folder/$variant.o" \
        -I"$sources" -I"$sources/host" "$@"
    "$CXX" "$@" "$folder/$variant.o" "$work/common/$variant"/*.o -lcunit -lpthread \
        -o "$folder/$variant"
}

# The thread sanitizer wants a plain address layout; where that may not be set, we try as is.
plain_layout=()
if setarch -R true 2>/dev/null; then plain_layout=(setarch -R); fi
run() { # PROGRAM ...
    ("${plain_layout[@]}" timeout 120 "$@" >"$1.log" 2>&1) 2>/dev/null
}

build_common "$work/common/plain" &
plain=$!
build_common "$work/common/tsan" -fsanitize=thread
wait "$plain"
build_kernels plain "$work" "$root"
build_kernels tsan "$work" "$root" -fsanitize=thread
run "$work/plain" || { cat "$work/plain.log"; echo "fails without any bug"; exit 1; }
run "$work/tsan" "takes many rows" ||
    { cat "$work/tsan.log"; echo "the thread sanitizer finds fault without any bug"; exit 1; }

# Tries one bug and leaves one line of result.
try() { # SCRIPT
    local name folder
    name=$(basename "$1" .sed)
    folder=$work/$name
    rm -rf "$folder"
    mkdir -p "$folder/source/host"
    cp -r "$root/kernels" "$folder/source/"
    cp -r "$root/host/numerics" "$folder/source/host/"
    sed -i -f "$1" "$folder"/source/kernels/* "$folder"/source/host/numerics/*
    if diff -rq "$root/kernels" "$folder/source/kernels" >/dev/null &&
        diff -rq "$root/host/numerics" "$folder/source/host/numerics" >/dev/null; then
        echo "$name: MISSED, for it changes nothing any more"
        return
    fi
    build_kernels plain "$folder" "$folder/source"
    if ! run "$folder/plain"; then
        echo "$name: caught"
        return
    fi
    build_kernels tsan "$folder" "$folder/source" -fsanitize=thread
    if ! run "$folder/tsan" "takes many rows"; then
        echo "$name: caught by the thread sanitizer"
    else
        echo "$name: MISSED: $(sed -n 's/^# //p;q' "$1")"
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

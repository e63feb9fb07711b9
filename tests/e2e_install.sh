#!/usr/bin/env bash
# An installed blackspot serves a stranger's program: found by pkg-config and by find_package, with
# exactly the symbols that the public header promises, from a prefix that may be moved.
set -euo pipefail

build=$(dirname "$BLACKSPOT")
if [ -n "${BLACKSPOT_SANITIZE:-}" ]; then
    echo "skipped: a sanitizer's build is not installed"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$tmp/first" >"$tmp/install.log" ||
    fail "$(cat "$tmp/install.log")"
mv "$tmp/first" "$tmp/moved"
prefix=$tmp/moved
libdir=$(dirname "$(find "$prefix" -name libblackspot.so)")

# The program runs from where it was put.
"$prefix/bin/blackspot" --version

# Exported: what the header marks SPOT_API, no more and no less.
nm -D --defined-only "$libdir/libblackspot.so" | awk '{ print $3 }' | sort >"$tmp/exported"
sed -n '/^SPOT_API/s/[^(]*[ *]\(spot_[a-z_0-9]*\)(.*/\1/p' "$prefix/include/blackspot.h" |
    sort >"$tmp/promised"
[ -s "$tmp/promised" ] || fail "no SPOT_API function found in the header"
diff "$tmp/promised" "$tmp/exported" || fail "the library's symbols (>) are not the header's (<)"
readelf -d "$libdir/libblackspot.so" | grep -q 'SONAME.*\[libblackspot\.so\.0\]' || fail "no soname"

cat >"$tmp/client.c" <<'END'
#include <blackspot.h>
#include <stdio.h>

int main(void)
{
    return puts(spot_version()) < 0;
}
END

# pkg-config
export PKG_CONFIG_PATH=$libdir/pkgconfig
version=$(pkg-config --modversion blackspot)
read -ra flags <<<"$(pkg-config --cflags --libs blackspot)"
cc -std=c11 -Werror "$tmp/client.c" -o "$tmp/client" "${flags[@]}"
[ "$(LD_LIBRARY_PATH=$libdir "$tmp/client")" = "$version" ] || fail "client built with pkg-config"

# find_package
cat >"$tmp/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(client C)
find_package(blackspot $version EXACT REQUIRED)
add_executable(client client.c)
target_link_libraries(client blackspot::blackspot)
END
{
    cmake -G Ninja -S "$tmp" -B "$tmp/build" -DCMAKE_PREFIX_PATH="$prefix" &&
        cmake --build "$tmp/build"
} >"$tmp/cmake.log" 2>&1 || fail "$(cat "$tmp/cmake.log")"
[ "$("$tmp/build/client")" = "$version" ] || fail "client built with find_package"

grep -qi '^\.TH "*blackspot"* ' "$prefix/share/man/man1/blackspot.1" || fail "no manual page"
echo "installed, found twice, $(wc -l <"$tmp/exported") symbols"

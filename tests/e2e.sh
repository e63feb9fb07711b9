# shellcheck shell=bash
# What the end-to-end scripts share: a temporary folder that goes away, and ways to complain.
# BLACKSPOT names the program, ROOT the repository; the script starts in the temporary folder.
set -euo pipefail
export LC_ALL=C
export ROOT=$PWD
BLACKSPOT=$(realpath "$BLACKSPOT")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'echo "FAIL: $0, line $LINENO: $BASH_COMMAND" >&2' ERR
cd "$tmp"

blackspot() {
    "$BLACKSPOT" "$@"
}

fail() {
    echo "FAIL: $*" >&2
    [ ! -s stderr ] || sed 's/^/  stderr: /' stderr >&2
    exit 1
}

# expect CODE ARGS...: runs blackspot, keeps stdout and stderr in files of these names.
expect() {
    local wanted=$1 code=0
    shift
    blackspot "$@" >stdout 2>stderr || code=$?
    [ "$code" -eq "$wanted" ] || fail "exit code $code instead of $wanted: blackspot $*"
}

# says FILE REGEX: a line of the file matches.
says() {
    grep -Eq -- "$2" "$1" || fail "no line of $1 matches '$2': $(head -c 500 "$1")"
}

# value KEY: a number, word or text of the JSON line in stdout.
value() {
    sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" stdout
}

# is KEY VALUE: the JSON line in stdout says so.
is() {
    [ "$(value "$1")" = "$2" ] || fail "$1 is $(value "$1"), not $2: $(head -c 500 stdout)"
}

# one_line: stdout is one line of JSON.
one_line() {
    [ "$(wc -l <stdout)" -eq 1 ] || fail "standard output is not one line: $(head -c 500 stdout)"
    says stdout '^\{.*\}$'
}

# same A B: two files of equal bytes.
same() {
    cmp -s "$1" "$2" || fail "$1 and $2 differ${3:+: $3}"
}

# only NAMES...: nothing but these (and what `expect` keeps) is in the folder.
only() {
    local found
    found=$(find . -mindepth 1 -not -name stdout -not -name stderr -printf '%P\n' | sort)
    [ "$found" = "$(printf '%s\n' "$@" | sort)" ] || fail "left behind: $found"
}

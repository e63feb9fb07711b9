#!/usr/bin/env bash
# The command line itself: help, versions, the one line of JSON, streams that break, signals.
# shellcheck source=tests/e2e.sh
. tests/e2e.sh

year=$ROOT/data/gb-2015/Accidents_2015.csv.gz
config=$ROOT/config/gb-2015.yaml

# ---- Help: an example for every command, one text for help and man page.
expect 0 --version
says stdout '^blackspot [0-9]+\.[0-9]+\.[0-9]+$'
expect 0 score --version
expect 2
says stderr '^blackspot: a command is missing$'
[ ! -s stdout ] || fail "words on standard output without a command"

expect 0 help
cp stdout overview
expect 0 --help
same stdout overview
expect 0 help --man
cp stdout manual
while read -r name; do
    # shellcheck disable=SC2086 # a name may have two words
    expect 0 $name --help
    says stdout "^Usage: blackspot $name"
    says stdout '^Example:$'
    says stdout "^  blackspot $name"
    says manual "^\.SS blackspot $name$"
    grep -o '^ *\(-h, \)\?--[a-z0-9-]*' stdout | sed 's/.*--//' | while read -r option; do
        says manual "^.fB.-.-${option//-/.-}.fR"
    done
    cp stdout by_flag
    # shellcheck disable=SC2086
    expect 0 help $name
    same stdout by_flag
done <<'END'
prepare
train kmeans
score
info
devices
bench kmeans
bench read
END
expect 0 bench --help
says stdout '^Usage: blackspot bench read'
rm -f overview manual by_flag

# ---- One line of JSON.
expect 0 devices
says stdout '^cpu '
expect 0 devices --json
one_line
says stdout '"id":"cpu".*"usable":true'
expect 0 bench kmeans --rows 3000 --columns 3 --k 4 --iterations 5 --threads 1
one_line
[ "$(value iterations)" -le 5 ] || fail "more iterations than asked for"
first=$(value inertia)
expect 0 bench kmeans --rows 3000 --columns 3 --k 4 --iterations 5 --threads 2 --batch-rows 700
is inertia "$first"
expect 0 bench read --input "$year" --config "$config" --repeat 2
one_line
is rows 140038

# ---- Streams: no terminal, no bar; an output that cannot be written is an error.
train=(train kmeans --config "$config" --input "$year" --k 5 --output model.json)
expect 0 "${train[@]}"
one_line
! grep -q "$(printf '\r')" stderr || fail "a progress bar without a terminal"
expect 0 "${train[@]}" --quiet
[ ! -s stderr ] || fail "--quiet is not"
for command in devices "devices --json" "info model.json" --help; do
    for out in /dev/full closed; do
        code=0
        if [ "$out" = closed ]; then
            # shellcheck disable=SC2086 # words
            blackspot $command >&- 2>stderr || code=$?
        else
            # shellcheck disable=SC2086 # words
            blackspot $command >"$out" 2>stderr || code=$?
        fi
        [ "$code" -eq 1 ] || fail "exit code $code of $command with standard output $out"
        says stderr 'cannot write to standard output'
    done
done
expect 0 "${train[@]:0:${#train[@]}-1}" -
same stdout model.json "a model on standard output"
says stderr '^info: \{"command":"train kmeans"'
expect 1 "${train[@]}" --plots stdout
says stderr 'cannot write into stdout: it is not a folder'
expect 1 "${train[@]}" --plots nowhere/pictures
says stderr 'folder nowhere: No such file'
{
    blackspot score --model model.json --input "$year" --output - 2>stderr || echo $? >code
} | head -n 1 >/dev/null
[ "$(cat code)" = 1 ] || fail "exit code $(cat code) into a broken pipe"
says stderr '[Bb]roken pipe'
rm -f model.json code

if script -qec true /dev/null >/dev/null 2>&1; then
    TERM=xterm script -qec "$(printf '%q ' "$BLACKSPOT" "${train[@]}") --compact off --n-init 200" \
        /dev/null >terminal </dev/null
    says terminal 'training  \[[#.]+\] +[0-9]+ %  run [0-9]+/200  iteration'
    rm -f terminal model.json
fi

# ---- Signals: an orderly end, and nothing left behind.
set -m # so that Ctrl-C reaches the job
for signal in INT:130 TERM:143; do
    rm -f stdout stderr pipe
    mkfifo pipe
    "$BLACKSPOT" train kmeans --input - --k 2 --output model.json <pipe >stdout 2>stderr &
    exec 9>pipe
    { echo a,b && seq -f '%g,1' 60000; } >&9 # more than a pipe holds, so the job is reading
    kill "-${signal%:*}" $!
    code=0
    wait $! || code=$?
    exec 9>&-
    [ "$code" = "${signal#*:}" ] || fail "exit code $code after SIG${signal%:*} while reading"
    says stderr 'stopped$'
    only pipe

    "$BLACKSPOT" "${train[@]}" --compact off --tol 0 --n-init 100000 >stdout 2>pipe &
    grep -m 1 -q 'read 140038 rows' pipe # training has begun
    kill "-${signal%:*}" $!
    code=0
    wait $! || code=$?
    [ "$code" = "${signal#*:}" ] || fail "exit code $code after SIG${signal%:*} while training"
    rm -f model.json.checkpoint # e2e_resume.sh
    only pipe
done
echo "help, result line, streams and signals"

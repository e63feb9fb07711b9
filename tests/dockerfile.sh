#!/usr/bin/env bash
# The steps of Dockerfile.cuda for DEVICE=cpu, run without a Docker engine: each stage a minimal
# Debian 12 in a temporary folder, COPY as tar, RUN and what the image starts in a chroot.
# Needs root, debootstrap and a Debian mirror; takes some minutes and 2 GB.
#
# Usage: tests/dockerfile.sh [MIRROR]
set -euo pipefail

if [ "${DOCKERFILE_TEST:-}" != inside ]; then
    [ "$(id -u)" -eq 0 ] || { echo "dockerfile.sh: must be root" >&2; exit 1; }
    command -v debootstrap >/dev/null || { echo "dockerfile.sh: no debootstrap" >&2; exit 1; }
    # Mounts made below vanish with this process.
    DOCKERFILE_TEST=inside exec unshare --mount --propagation private "$0" "$@"
fi

context=$(cd "$(dirname "$0")/.." && pwd)
stages=$(mktemp -d "${TMPDIR:-/var/tmp}/dockerfile.XXXXXX")
trap 'umount "$stages"/*/proc 2>/dev/null; rm -rf --one-file-system "$stages"' EXIT
fail() { echo "dockerfile.sh: $*" >&2; exit 1; }

stage='' folder=/ user=0
entry=()

begin_stage() { # NAME
    stage=$stages/$1 folder=/ user=0
    if [ ! -d "$stages/debian" ]; then
        debootstrap --variant=minbase bookworm "$stages/debian" "${mirror[@]}" >"$stages/log" 2>&1 ||
            { tail -n 20 "$stages/log" >&2; exit 1; }
        cp /etc/resolv.conf /etc/hosts "$stages/debian/etc/"
    fi
    cp -a "$stages/debian" "$stage"
    mount -t proc proc "$stage/proc"
}

run_in_stage() { # COMMAND...
    # shellcheck disable=SC2016  # the inner shell's arguments
    chroot --userspec="$user:$user" "$stage" env -i HOME=/ DEVICE=cpu PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        sh -c 'cd "$0" && exec "$@"' "$folder" "$@" </dev/null
}

copy() { # [--from=STAGE] SOURCE DESTINATION
    local from=$context ignore=()
    if [[ $1 == --from=* ]]; then
        from=$stages/${1#--from=}
        shift
    else
        # Docker's patterns begin at the root, but for **/.
        mapfile -t ignore < <(sed -e '/^#/d; s|^\*\*/|--no-anchored --exclude=|; t; s|^|--anchored --exclude=./|' \
            "$context/.dockerignore" | tr ' ' '\n')
    fi
    local source=${1#/} target=$2
    [[ $target == /* ]] || target=$folder/$target
    if [ -d "$from/$source" ]; then
        mkdir -p "$stage/$target"
        tar -C "$from/$source" "${ignore[@]}" -cf - . | tar -C "$stage/$target" -xf - --keep-directory-symlink
    else
        mkdir -p "$stage/$(dirname "$target")"
        cp -p "$from/$source" "$stage/$target"
    fi
}

step() { # INSTRUCTION REST
    case $1 in
        FROM)
            # "FROM image AS name"; only the two stages that DEVICE=cpu goes through are built.
            case ${2##* } in build | run) begin_stage "${2##* }" ;; *) return 0 ;; esac
            ;;
        WORKDIR) folder=$2 && mkdir -p "$stage/$folder" ;;
        COPY) read -ra words <<<"$2" && copy "${words[@]}" ;;
        RUN) run_in_stage sh -c "$2" ;;
        USER) user=$2 ;;
        ENTRYPOINT) mapfile -t entry < <(grep -o '"[^"]*"' <<<"$2" | tr -d '"') ;;
        HEALTHCHECK) health=${2##*CMD } ;;
        ARG | LABEL | CMD) ;;
        *) fail "instruction $1 is not known here" ;;
    esac
}

mirror=("$@")
health=
line=
while IFS= read -r text || [ -n "$text" ]; do
    [[ $text =~ ^[[:space:]]*(#|$) ]] && continue
    line+=$text
    if [[ $line == *\\ ]]; then line=${line%\\}; continue; fi
    echo "== $line" | cut -c1-100
    step "${line%% *}" "${line#* }"
    line=
done <"$context/Dockerfile.cuda"

echo "== what the image starts, as user $user"
mapfile -t check < <(grep -o '"[^"]*"' <<<"$health" | tr -d '"')
run_in_stage "${check[@]}"
run_in_stage "${entry[@]}" --version

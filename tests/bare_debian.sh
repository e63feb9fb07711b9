#!/usr/bin/env bash
# The README's promise on a system that has nothing: a minimal Debian 12 with git in a temporary
# folder, a fresh clone of this repository's last commit inside, scripts/quickstart, scripts/test.
# Needs root, debootstrap and a Debian mirror; takes some minutes and 2 GB.
#
# Usage: tests/bare_debian.sh [MIRROR]
set -euo pipefail

if [ "${BARE_DEBIAN:-}" != inside ]; then
    [ "$(id -u)" -eq 0 ] || { echo "bare_debian.sh: must be root" >&2; exit 1; }
    command -v debootstrap >/dev/null || { echo "bare_debian.sh: no debootstrap" >&2; exit 1; }
    # Mounts made below vanish with this process.
    BARE_DEBIAN=inside exec unshare --mount --propagation private "$0" "$@"
fi

repository=$(cd "$(dirname "$0")/.." && pwd)
root=$(mktemp -d "${TMPDIR:-/var/tmp}/bare-debian.XXXXXX")
trap 'umount "$root/proc" 2>/dev/null; rm -rf --one-file-system "$root"' EXIT

debootstrap --variant=minbase --include=git bookworm "$root" "$@" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; exit 1; }
rm -f "$root.log"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
mount -t proc proc "$root/proc"
git clone --quiet --no-hardlinks "$repository" "$root/root/blackspot"

inside() {
    echo "== $*"
    local start=$SECONDS
    chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        bash -c 'cd ~/blackspot && exec "$@"' - "$@" </dev/null
    echo "== $* took $((SECONDS - start)) s"
}

inside scripts/quickstart
inside ls -l out
inside scripts/test

#!/bin/sh
# Sets up .venv with the program and the extras named in the arguments. Safe to run again.
#   deploy/setup.sh demo,page,test
set -eu
cd "$(dirname "$0")/.."
extras=${1:-demo}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# apt_install PACKAGE...: installs those that are missing; quiet where all are there.
apt_install() {
    missing=
    for package; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    echo "installing$missing (needs root)" >&2
    as_root apt-get -qq update
    # shellcheck disable=SC2086 # a list of package names
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends $missing >/dev/null
}

# patiently WHAT COMMAND...: says what takes a while, and that it still does; its exit status.
patiently() {
    printf '%s ' "$1" >&2
    shift
    "$@" &
    child=$!
    trap 'kill $child 2>/dev/null; exit 130' INT TERM
    (while sleep 3; do printf . >&2; done) &
    dots=$!
    status=0
    wait "$child" || status=$?
    kill "$dots"
    trap - INT TERM
    echo >&2
    return "$status"
}

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or newer is needed; $python is $("$python" --version 2>&1 || echo missing)." >&2
    exit 1
fi
"$python" -c 'import ensurepip' 2>/dev/null || apt_install python3-venv

site=
if grep -qs 'Raspberry Pi' /proc/device-tree/model; then
    # The camera, the pins and the journal belong to the system there.
    apt_install python3-picamera2 python3-lgpio python3-systemd
    site=--system-site-packages
fi
case ",$extras," in *,test,*)
    # What skipped tests ask for; the last ones, for images, the case, sound and the page in a
    # browser, are not everywhere.
    apt_install mosquitto mosquitto-clients systemd openssl shellcheck strace libell0 zstd gcc libc6-dev
    for package in genimage mmdebstrap arch-test systemd-container minisign openscad alsa-utils chromium; do
        apt_install "$package" || echo "$package cannot be installed: its tests are skipped" >&2
    done ;;
esac

[ -x .venv/bin/python ] || "$python" -m venv $site .venv
# Already there as it is: nothing to fetch, nothing to wait for.
wanted="$extras $(cksum <setup.cfg)"
if [ "$(cat .venv/set-up 2>/dev/null || :)" != "$wanted" ]; then
    patiently "fetching what it needs into .venv (once; a minute or two)" \
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
    echo "$wanted" >.venv/set-up
fi

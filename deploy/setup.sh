#!/bin/sh
# Sets up .venv with the program and the extras named in the arguments. Safe to run again.
#   deploy/setup.sh demo,test
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
    DEBIAN_FRONTEND=noninteractive as_root apt-get -qq install -y --no-install-recommends $missing >/dev/null
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
    apt_install mosquitto mosquitto-clients systemd openssl ;;
esac

[ -x .venv/bin/python ] || "$python" -m venv $site .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"

#!/bin/sh
# Installs, upgrades or removes the box as a service, on Raspberry Pi OS or Debian (12 or 13).
#
#   sudo ./install.sh                  from a bundle (deploy/bundle): no network needed
#   sudo ./install.sh --upgrade        the same; a version that is not healthy is taken back
#   sudo ./install.sh --remove         takes the program away, keeps configuration and history
#   sudo ./install.sh --remove --purge takes everything away
#
# Options: --bundle DIR    the bundle; default: where this file is
#          --no-apt        install no packages of the system (camera, lgpio and mosquitto are the system's)
#          --no-start      only put things in place
#          --page          a new configuration serves the page to the network (with a one-time code)
# Safe to run again: what is there already stays as it is. Where no systemd runs (a chroot, an image
# being made) the service is enabled and starts at the next boot.
set -eu

base=/opt/procrastobot
unit=procrastobot.service
broker=procrastobot-broker.service
page=procrastobot-page
hooks=procrastobot-hooks.service
units="$unit $broker $page.socket $page.service $hooks"
password=/etc/credstore/procrastobot.broker-password
bundle=$(cd "$(dirname "$0")" && pwd)
action=install
apt=yes
start=yes
with_page=no
purge=no

say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
    case $1 in
        --bundle) [ $# -ge 2 ] || fail "--bundle needs a folder"; bundle=$2; shift ;;
        --upgrade) ;; # what installing over an older version does anyway
        --remove) action=remove ;;
        --purge) purge=yes ;;
        --no-apt) apt=no ;;
        --no-start) start=no ;;
        --page) with_page=yes ;;
        -h|--help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) fail "no such option: $1 (--help tells)" ;;
    esac
    shift
done
[ "$(id -u)" = 0 ] || fail "needs root: sudo $0"

running=
[ -d /run/systemd/system ] && running=yes
has_systemd() { [ -n "$running" ]; }
systemd() { if has_systemd; then systemctl "$@"; fi; }

remove() {
    # Without a running systemd it only takes the links away.
    # shellcheck disable=SC2086 # a list of names
    systemctl disable ${running:+--now} $units >/dev/null 2>&1 || true
    for each in $units; do
        rm -rf "/etc/systemd/system/$each" "/etc/systemd/system/multi-user.target.wants/$each" \
            "/run/systemd/system/$each.d"
    done
    rm -f \
        /usr/local/bin/procrastobot /etc/avahi/services/procrastobot.service \
        /etc/sysusers.d/procrastobot.conf /etc/tmpfiles.d/procrastobot.conf \
        /etc/udev/rules.d/60-procrastobot.rules
    rm -rf "$base"
    systemd daemon-reload
    if [ "$purge" = yes ]; then
        rm -rf /etc/procrastobot /var/lib/procrastobot /run/procrastobot
        rm -f /etc/credstore/procrastobot.mqtt-* "$password"
        for each in procrastobot-broker procrastobot; do
            if getent passwd "$each" >/dev/null; then userdel "$each" || true; fi
            if getent group "$each" >/dev/null; then groupdel "$each" || true; fi
        done
        getent passwd procrastobot >/dev/null && fail "all is removed but the user procrastobot"
        say "removed, with configuration and history"
    else
        say "removed; /etc/procrastobot and /var/lib/procrastobot are kept (--purge takes them too)"
    fi
}

verify_bundle() {
    [ -f "$bundle/SHA256SUMS" ] || fail "$bundle is no bundle (no SHA256SUMS); deploy/bundle makes one"
    (cd "$bundle" && sha256sum --quiet --check SHA256SUMS) ||
        fail "the bundle is damaged: the files above are not what was packed; copy it again"
    # The kernel may be a 64-bit one where all else is not: what counts is what dpkg installs.
    case $(dpkg --print-architecture) in
        arm64) machine=aarch64 ;;
        amd64) machine=x86_64 ;;
        *) machine=$(dpkg --print-architecture) ;;
    esac
    [ "$(cat "$bundle/machine")" = "$machine" ] ||
        fail "the bundle is for $(cat "$bundle/machine"), this system is $machine; on a Pi it takes the 64-bit OS"
}

system_packages() {
    [ "$apt" = yes ] || return 0
    wanted=mosquitto # for broker.enabled
    # Who looks for http://NAME.local finds it (edge/page/listen.py tells it what to announce).
    [ "$with_page" = no ] || wanted="$wanted avahi-daemon openssl"
    if grep -qs 'Raspberry Pi' /proc/device-tree/model; then
        # These belong to the system: they fit its kernel and its libcamera.
        wanted="$wanted python3-picamera2 python3-lgpio"
    fi
    missing=
    for package in python3 $wanted; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    say "installing$missing"
    apt-get -qq update || fail "apt-get update failed; without a network use --no-apt"
    # Debian starts a mosquitto of its own when the package comes: that is nobody's wish here. One
    # that was there before is left alone.
    case $missing in *mosquitto*) systemd mask --runtime --quiet mosquitto.service ;; esac
    status=0
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends $missing >/dev/null || status=$?
    case $missing in
        *mosquitto*)
            systemctl --quiet disable mosquitto.service 2>/dev/null || true
            systemd unmask --runtime --quiet mosquitto.service
            ;;
    esac
    [ "$status" = 0 ] ||
        fail "apt-get could not install$missing; without a network put them in place yourself, and use --no-apt"
}

# make_venv: one folder for each version and Python, complete or not there at all.
make_venv() {
    python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    requirements=$bundle/requirements-$python.txt
    [ -f "$requirements" ] || fail "the bundle has nothing for Python $python: $(cd "$bundle" && echo requirements-*)"
    wheel=$(basename "$bundle"/wheels/procrastobot-*.whl)
    # The hash too: a development version changes without its number.
    hash=$(sha256sum "$requirements" | cut -c 1-8)
    version=$(echo "$wheel" | cut -d - -f 2)-py$python-$hash
    venv=$base/$version
    if [ -f "$venv/complete" ]; then
        say "$version is in place already"
        return 0
    fi
    say "installing $version"
    rm -rf "$venv"
    mkdir -p "$base"
    # With the system's packages: picamera2 and lgpio are there. Without pip: Debian's venv has none.
    python3 -m venv --system-site-packages --without-pip "$venv"
    pip=$(echo "$bundle"/wheels/pip-*.whl)
    "$venv/bin/python" "$pip/pip" install --quiet --disable-pip-version-check --no-input \
        --no-cache-dir --root-user-action=ignore --no-index --find-links "$bundle/wheels" \
        --no-deps --require-hashes -r "$requirements" ||
        { rm -rf "$venv"; fail "pip refused; nothing was changed"; }
    # What the plug takes away while this is written must not count as complete.
    sync -f "$venv"
    : >"$venv/complete"
}

# try_version: it reads the configuration and sees with its detector, before anything is changed.
try_version() {
    config=/etc/procrastobot/config.toml
    [ -e "$config" ] || config=$bundle/config.example.toml
    code=0
    said=$("$venv/bin/procrastobot" check "$config" 2>&1) || code=$?
    if [ "$code" = 78 ]; then # EX_CONFIG: the version works, and says what is wrong.
        say "$said" >&2
        fail "this version does not accept the configuration above; correct it and run this again"
    fi
    if [ "$code" = 0 ]; then
        say "$said"
        # An import is not enough: tflite-runtime imports with a NumPy that it cannot work with.
        said=$("$venv/bin/procrastobot" selftest --yes --only detector --config "$config" 2>&1) ||
            code=$?
    fi
    if [ "$code" != 0 ]; then
        say "$said" >&2
        [ "$version" = "$before" ] || rm -rf "$venv"
        fail "this version does not run here; nothing was changed"
    fi
    say "$said" | grep '^detector'
}

place() { # place FILE TARGET MODE: copies when different
    cmp -s "$1" "$2" || install -D -m "$3" "$1" "$2"
}

place_configuration() {
    if [ ! -e /etc/procrastobot/config.toml ]; then
        install -D -m 640 "$bundle/config.example.toml" /etc/procrastobot/config.toml
        if [ "$with_page" = yes ]; then
            sed -i '/^\[web\]/,/^$/ {
                s/^# enabled = .*/enabled = true/
                s/^# host = .*/host = "0.0.0.0"/
                s/^# port = .*/port = 80/
            }' /etc/procrastobot/config.toml
        fi
    fi
    place "$bundle/config.example.toml" /etc/procrastobot/config.example.toml 644
}

# keep_companions: unit and folders belong to a version, and go back with it.
keep_companions() {
    rm -rf "$venv/companions.new"
    mkdir "$venv/companions.new"
    for each in $units overlay; do cp -R "$bundle/$each" "$venv/companions.new/"; done
    rm -rf "$venv/companions"
    mv "$venv/companions.new" "$venv/companions"
}

place_files() { # place_files VERSION
    from=$base/$1/companions
    lib=$from/overlay/usr/lib
    place "$lib/sysusers.d/procrastobot.conf" /etc/sysusers.d/procrastobot.conf 644
    place "$lib/tmpfiles.d/procrastobot.conf" /etc/tmpfiles.d/procrastobot.conf 644
    place "$lib/udev/rules.d/60-procrastobot.rules" /etc/udev/rules.d/60-procrastobot.rules 644
    # A version from before there was one is gone back to without it.
    for each in $units; do
        if [ -e "$from/$each" ]; then place "$from/$each" "/etc/systemd/system/$each" 644; fi
    done
    systemd-sysusers /etc/sysusers.d/procrastobot.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/procrastobot.conf
    if has_systemd && command -v udevadm >/dev/null; then
        # Not in a container, where there is no udev to be told.
        if udevadm control --reload 2>/dev/null; then
            udevadm trigger --subsystem-match=gpio --subsystem-match=dma_heap || true
        fi
    fi
    systemd daemon-reload
}

# broker_password: made once, shown once. An image makes its own at its first start.
broker_password() {
    [ "$start" = yes ] && [ ! -e "$password" ] || return 0
    made=$(head -c 12 /dev/urandom | base64 | tr '+/' 'Aa')
    (umask 077 && printf '%s\n' "$made" >"$password")
    say "the broker in the box (broker.enabled, broker.host), from other machines: user procrastobot, password $made"
    say "shown this once; kept for root in $password"
}

point_to() { # point_to VERSION: the switch is one rename
    ln -sfn "$1" "$base/next"
    mv -T "$base/next" "$base/current"
    ln -sfn "$base/current/bin/procrastobot" /usr/local/bin/procrastobot
}

# healthy: the service became ready (Type=notify) and is not on its way down again.
healthy() {
    systemctl restart "$unit" || return 1
    sleep 3
    systemctl is-active --quiet "$unit"
}

case $action in
    remove) remove; exit 0 ;;
esac

verify_bundle
system_packages
before=$(readlink "$base/current" 2>/dev/null || true)
make_venv
try_version
place_configuration
keep_companions
place_files "$version"
point_to "$version"
broker_password
if [ "$start" = no ]; then
    say "in place; not started"
elif ! has_systemd; then
    systemctl enable --quiet "$unit" "$broker" "$hooks"
    say "no systemd runs here: it starts at the next boot"
else
    systemctl enable --quiet "$unit" "$broker" "$hooks"
    systemctl restart "$broker" || true
    systemctl reset-failed "$unit" 2>/dev/null || true
    if ! healthy; then
        journalctl --sync 2>/dev/null || true # so that it shows what was said just now
        systemctl status --no-pager --lines=15 "$unit" >&2 || true
        if [ -n "$before" ] && [ "$before" != "$version" ] && [ -f "$base/$before/complete" ]; then
            [ ! -d "$base/$before/companions" ] || place_files "$before"
            point_to "$before"
            systemctl reset-failed "$unit" 2>/dev/null || true
            systemctl restart "$unit" || true
            fail "$version does not get ready; taken back to $before"
        fi
        fail "$version does not get ready; see: journalctl -u $unit -e; then: sudo procrastobot selftest"
    fi
    systemctl restart "$hooks" || true
    say "running: systemctl status $unit"
    # Idle it needs none: whether there is one shows here, and not only in the first session.
    timeout 60 procrastobot selftest --only camera 2>/dev/null | grep '^camera' || true
    if [ -e "/run/systemd/system/$page.socket.d" ]; then
        say "the page: http://$(hostname).local/, the code for the first login: $(procrastobot page --code)"
    fi
fi
# Keep the one before, for the way back by hand; others go.
[ -z "$before" ] || [ "$before" = "$version" ] || ln -sfn "$before" "$base/previous"
previous=$(readlink "$base/previous" 2>/dev/null || true)
for old in "$base"/*-py*; do
    name=$(basename "$old")
    [ "$name" = "$version" ] || [ "$name" = "$previous" ] || rm -rf "$old"
done
say "$version installed; settings: /etc/procrastobot/config.toml; try: sudo procrastobot selftest"

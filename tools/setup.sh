#!/bin/sh
# Make .venv with the package in it: `tools/setup.sh run`; with what `make compile` needs:
# `... compile`; with the test tools too: `... test`.
#
# Does nothing when .venv is as pyproject.toml and constraints.txt want it (a stamp file holds
# their checksums). As root it installs missing Debian packages; otherwise it names them.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}
venv=.venv
policy=/usr/sbin/policy-rc.d

say() { printf 'setup: %s\n' "$*" >&2; }

find_python() {
    for candidate in /usr/bin/python3 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer is needed: install it, then try again"
    exit 1
}

# Have no package start its service (invoke-rc.d asks this file): tests start servers of their own.
hold_services() {
    [ ! -e "$policy" ] || return 0
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# Install what is missing of the packages given; going on without is the caller's to judge.
install_debian() {
    missing=
    for package in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        say "not installed, as that takes root: apt-get install$missing"
        return 1
    fi
    say "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    hold_services
    # shellcheck disable=SC2086 # the names are to be split
    if ! { apt-get -q update && apt-get -q install -y --no-install-recommends $missing; } >&2; then
        say "cannot install (offline?):$missing; tests that need them skip and say so"
        return 1
    fi
}

checksum() { cat pyproject.toml constraints.txt tools/setup.sh | cksum; }

if [ "$purpose" = test ] && command -v dpkg-query >/dev/null; then
    # shellcheck disable=SC2046 # the names are to be split
    install_debian $(grep -v '^#' tools/debian-packages.txt) || true
fi

wanted=$(checksum)
for stamp in "$venv/.stamp-test" "$venv/.stamp-$purpose"; do
    if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        exit 0
    fi
done

python=$(find_python)
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    "$python" -c 'import ensurepip' 2>/dev/null || install_debian python3-venv || {
        say "python3-venv is needed to go on"
        exit 1
    }
    say "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi
case "$purpose" in
    test) what='.[dev]' ;;
    compile) what='.[compile]' ;;
    *) what=. ;;
esac
say "installing the package"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check \
    --constraint constraints.txt --editable "$what" >&2
printf '%s\n' "$wanted" >"$venv/.stamp-$purpose"

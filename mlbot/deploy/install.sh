#!/bin/sh
# Installs this bundle: without network, without root, and a second time without harm.
#
#   sh install.sh [TARGET]      default: ~/mlbot
#
# TARGET/releases holds each bundle that was installed, TARGET/current is the one that serves; models and events stay in
# TARGET/models and TARGET/events. PYTHON=/path/to/python3 names the Python to use.
set -eu
umask 022

MODEL=@MODEL@
WANTED=@PYTHON@
HERE=$(cd "$(dirname "$0")" && pwd -P)

stop() {
    printf 'install: %s\n  wanted: %s\n  do: %s\n' "$1" "$2" "$3" >&2
    exit 2
}

find_python() {
    for python in ${PYTHON:-} "python$WANTED" python3 python; do
        if command -v "$python" >/dev/null 2>&1 &&
            [ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$WANTED" ]; then
            command -v "$python"
            return
        fi
    done
    stop "no Python $WANTED is here" "the Python that the wheels were made for" \
        "install it, or name it: PYTHON=/path/to/python$WANTED sh install.sh"
}

python=$(find_python)
sums=$("$python" - "$HERE" <<'END'
import hashlib, pathlib, sys
home = pathlib.Path(sys.argv[1])
try:
    sums = (home / "SHA256SUMS").read_bytes()
    for line in sums.decode().splitlines():
        digest, name = line.split("  ", 1)
        if hashlib.sha256((home / name).read_bytes()).hexdigest() != digest:
            sys.exit(f"install: {name} is damaged")
except OSError as problem:
    sys.exit(f"install: {problem}")
print(hashlib.sha256(sums).hexdigest()[:8])
END
) || stop "the bundle is not whole" "all files of SHA256SUMS" "copy or unpack it again"

mkdir -p "${1:-$HOME/mlbot}"
TARGET=$(cd "${1:-$HOME/mlbot}" && pwd -P)
RELEASE=$TARGET/releases/mlbot-bundle-$MODEL-$sums

if [ ! -f "$RELEASE/.done" ]; then
    rm -rf "$RELEASE"
    mkdir -p "$RELEASE"
    "$python" -m venv --without-pip "$RELEASE/venv"
    # pip runs from its own wheel, so that a Python without pip will do; a configuration that names an index does not count
    pip=$(echo "$HERE"/wheels/pip-*.whl)/pip
    PIP_CONFIG_FILE=/dev/null "$RELEASE/venv/bin/python" "$pip" install --quiet --isolated \
        --disable-pip-version-check --no-compile --no-index --find-links "$HERE/wheels" @REQUIREMENTS@ ||
        stop "pip could not install the wheels" "a system such as the bundle was made on: @PLATFORM@" "read pip's lines above"
    # all cores compile, for the service may not write there; a file that does not compile is not imported either
    "$RELEASE/venv/bin/python" -m compileall -q -j 0 "$RELEASE/venv/lib" >/dev/null 2>&1 || :
    cp -R "$HERE/models" "$RELEASE/carried"
    for file in settings.ini processes.toml mlbot.service bundle.json; do
        [ ! -f "$HERE/$file" ] || cp "$HERE/$file" "$RELEASE/$file"
    done
    : >"$RELEASE/.done"
fi
cd "$TARGET"
exec "$RELEASE/venv/bin/mlbot" bundle --use "$RELEASE"

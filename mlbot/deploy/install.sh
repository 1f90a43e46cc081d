#!/bin/sh
# Installs this bundle: without network, without root, and a second time without harm.
#
#   sh install.sh [TARGET]      default: ~/mlbot
#
# TARGET/releases holds each bundle that was installed, TARGET/current is the one that serves; models and events stay in
# TARGET/models and TARGET/events. PYTHON=/path/to/python3 names the Python to use.
#
# It refuses a bundle with a file that SHA256SUMS does not list, or lists otherwise, and installs exactly the wheels that are
# listed, each by its digest. That guards against damage and against files that somebody adds. Who can change this script can
# change SHA256SUMS, too: compare the digest of the archive with the one that `mlbot bundle` printed before you unpack it.
set -eu
unset CDPATH
umask 022

MODEL=@MODEL@
WANTED=@PYTHON@
HERE=$(cd -- "$(dirname -- "$0")" && pwd -P)

stop() {
    printf 'install: %s\n  expected: %s\n  do: %s\n' "$1" "$2" "$3" >&2
    exit 2
}

find_python() {
    for python in "${PYTHON:-}" "python$WANTED" python3 python; do
        if [ -n "$python" ] && command -v "$python" >/dev/null 2>&1 &&
            [ "$("$python" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$WANTED" ]; then
            command -v "$python"
            return
        fi
    done
    stop "no Python $WANTED is here" "the Python that the wheels were made for" \
        "install it, or name it: PYTHON=/path/to/python$WANTED sh install.sh"
}

# what is listed is there, and nothing else; then: digest of the list, the wheel of pip, and the other wheels for pip
check_bundle() {
    "$1" -I - "$HERE" "${2:-$HOME/mlbot}" <<'END'
import hashlib, os, pathlib, re, sys
home, target = pathlib.Path(sys.argv[1]), sys.argv[2]
listed, wheels = {}, []
if re.search(r"[\x00-\x1f\x7f\"'\\]", target):
    sys.exit(f"install: {target!a} holds a quote, a backslash or a control character")
try:
    sums = (home / "SHA256SUMS").read_bytes()
    for line in sums.decode().removesuffix("\n").split("\n"):
        digest, _, name = line.partition("  ")
        if not re.fullmatch("[0-9a-f]{64}", digest) or not re.fullmatch(r"[\w+=!-][\w.+=!-]*(/[\w+=!-][\w.+=!-]*)*", name):
            sys.exit(f"install: SHA256SUMS has the line {line!a}")
        listed[name] = digest
    for folder, folders, files in os.walk(home):
        for path in [pathlib.Path(folder, name) for name in folders + files]:
            name = path.relative_to(home).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                sys.exit(f"install: {name!a} is a link, or no plain file")
            if path.is_file() and name not in listed and name != "SHA256SUMS":
                sys.exit(f"install: {name!a} is not listed in SHA256SUMS")
    for name, digest in listed.items():
        if hashlib.sha256((home / name).read_bytes()).hexdigest() != digest:
            sys.exit(f"install: {name} is damaged")
except (OSError, ValueError) as problem:
    sys.exit(f"install: {problem}")
pip = [name for name in listed if re.fullmatch(r"wheels/pip-[^/]*\.whl", name)]
if len(pip) != 1:
    sys.exit(f"install: SHA256SUMS lists {len(pip)} wheels of pip")
print(hashlib.sha256(sums).hexdigest()[:8], pip[0], sep="\n")
for name, digest in listed.items():
    if name.startswith("wheels/") and name != pip[0]:
        print(f"./{name} --hash=sha256:{digest}")
END
}

python=$(find_python)
found=$(check_bundle "$python" "${1:-}") || stop "the bundle is not whole" "the files of SHA256SUMS, and no others" \
    "copy or unpack it again, into a folder of its own"
sums=$(printf '%s\n' "$found" | sed -n 1p)
pip=$HERE/$(printf '%s\n' "$found" | sed -n 2p)/pip

mkdir -p -- "${1:-$HOME/mlbot}"
TARGET=$(cd -- "${1:-$HOME/mlbot}" && pwd -P)
RELEASE=$TARGET/releases/mlbot-bundle-$MODEL-$sums

if [ ! -f "$RELEASE/.done" ]; then
    rm -rf "$RELEASE"
    mkdir -p "$RELEASE"
    "$python" -I -m venv --without-pip "$RELEASE/venv"
    printf '%s\n' "$found" | sed 1,2d >"$RELEASE/wheels.txt"
    # pip runs from its own wheel, so that a Python without pip will do; a configuration that names an index does not count.
    # it installs what is listed and nothing else: by digest, without looking for what it depends on
    (cd "$HERE" && PIP_CONFIG_FILE=/dev/null "$RELEASE/venv/bin/python" -I "$pip" install --quiet --isolated \
        --disable-pip-version-check --no-compile --no-index --no-deps --require-hashes -r "$RELEASE/wheels.txt") ||
        stop "pip could not install the wheels" "a system such as the bundle was made on: @PLATFORM@" "read pip's lines above"
    # all cores compile, for the service may not write there; a file that does not compile is not imported either
    "$RELEASE/venv/bin/python" -I -m compileall -q -j 0 "$RELEASE/venv/lib" >/dev/null 2>&1 || :
    cp -R "$HERE/models" "$RELEASE/carried"
    for file in settings.ini processes.toml mlbot.service bundle.json; do
        [ ! -f "$HERE/$file" ] || cp "$HERE/$file" "$RELEASE/$file"
    done
    : >"$RELEASE/.done"
fi
cd "$TARGET"
exec "$RELEASE/venv/bin/mlbot" bundle --use "$RELEASE"

#!/bin/sh
# Makes sure that a Chromium is there for the tests of HTML reports. Installs the headless one on Debian (100 MB to fetch,
# some 15 s); elsewhere it prints what to install. `make test` calls it.
set -eu

say() { printf '%s\n' "$*" >&2; }

for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if ! command -v apt-get >/dev/null 2>&1; then
    say "No Chromium was found: the tests of HTML reports need one on the PATH."
    say "  Fedora:  dnf install chromium-headless"
    say "  Arch:    pacman -S chromium"
    say "  macOS:   brew install --cask chromium"
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        say "Run as root: apt-get install chromium-headless-shell"
        exit 1
    fi
    sudo=sudo
fi
$sudo apt-get update -qq
package=chromium-headless-shell
apt-cache show "$package" >/dev/null 2>&1 || package=chromium
say "No Chromium: installing $package for the tests of HTML reports."
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$package" >&2

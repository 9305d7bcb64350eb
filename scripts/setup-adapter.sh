#!/bin/sh
# Makes sure that some Vulkan adapter is there: a GPU's driver if the machine has one, else Mesa's software adapter.
# Installs packages on Debian and Ubuntu; elsewhere it prints what to install. `make run` and `make test` call it.
set -eu

say() { printf '%s\n' "$*" >&2; }

case "$(uname -s)" in
    Darwin | MINGW* | MSYS* | CYGWIN*) exit 0 ;; # Metal and DX12 come with the system.
esac

have_loader() {
    { ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null; } | grep -q 'libvulkan\.so\.1'
}
have_driver() {
    # A driver's manifest, unless the environment points the loader elsewhere.
    for manifest in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json /usr/local/share/vulkan/icd.d/*.json \
        "${HOME:-/nonexistent}"/.local/share/vulkan/icd.d/*.json; do
        [ -e "$manifest" ] && return 0
    done
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]
}

if have_loader && have_driver; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    say "No Vulkan loader or driver was found. Install the loader and your GPU's driver, or Mesa's software adapter:"
    say "  Fedora:  dnf install vulkan-loader mesa-vulkan-drivers"
    say "  Arch:    pacman -S vulkan-icd-loader vulkan-swrast"
    say "  openSUSE: zypper install libvulkan1 libvulkan_lvp"
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        say "Run as root: apt-get install libvulkan1 mesa-vulkan-drivers"
        exit 1
    fi
    sudo=sudo
fi
say "No Vulkan adapter: installing the loader and Mesa's software adapter (libvulkan1, mesa-vulkan-drivers)."
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq libvulkan1 mesa-vulkan-drivers >&2

#!/bin/sh
# hetero beside what people use today: installs the peers into a virtual environment of their own and times all of them in
# one interleaved, pinned run. Usage: benches/peers/run.sh [--large] [WORKLOAD or SIZE]...; HETERO=path of the program.
set -eu
cd "$(dirname "$0")/../.."
venv="${PEERS_VENV:-target/peers-venv}"

if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv" || {
        echo "cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    }
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r benches/peers/requirements.txt

# pocl is the OpenCL that runs on processors: the best peer of both workloads.
if ! ls /etc/OpenCL/vendors/*pocl* >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get install -y --no-install-recommends pocl-opencl-icd >/dev/null
    else
        echo "pocl is missing, so the best peer is left out; install it with: apt install pocl-opencl-icd" >&2
    fi
fi

# CHOLMOD, for the solves.
if ! ls /usr/include/suitesparse/cholmod.h >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get install -y --no-install-recommends gcc libc6-dev libsuitesparse-dev libopenblas-dev >/dev/null
    else
        echo "CHOLMOD is missing and left out; install it with: apt install gcc libsuitesparse-dev libopenblas-dev" >&2
    fi
fi

exec "$venv/bin/python" benches/peers/compare.py --hetero "${HETERO:-target/release/hetero}" "$@"

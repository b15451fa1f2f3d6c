#!/bin/sh
# First command in the virtual machine; arguments: the project's folder.
# virtme mounts the host's files without any cache, which makes every import slow. They do not change while the machine
# runs: the two folders that matter are mounted again, cached. What is written to the project stays in memory.
set -eu
project=$1
files() { mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose "$1" "$2"; }
files usr /usr
modprobe -a openvswitch sch_netem tun
mkdir -p /run/project/below /run/project/above /run/project/work /tmp/matplotlib
files project /run/project/below
mount -t overlay -o lowerdir=/run/project/below,upperdir=/run/project/above,workdir=/run/project/work overlay "$project"
cd "$project"
unset PYTHONDONTWRITEBYTECODE
export MPLCONFIGDIR=/tmp/matplotlib
cp "$HOME"/.cache/matplotlib/fontlist-*.json /tmp/matplotlib/ 2>/dev/null || true
exec /usr/bin/python3 -u tests/vm/guest_agent.py

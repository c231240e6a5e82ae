#!/bin/sh
# The first program of a machine of the lab: mounts, modules, network; then busybox's init runs it.
# `/lab-init identify NUMBER COUNT` gives a running machine its names and addresses; at a boot they
# come from the kernel's command line, lab.id=NUMBER lab.count=COUNT.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

address() { # address INTERFACE NETWORK NUMBER [LINK]: of INTERFACE, whose card is LINK
    mac=$(printf '52:54:00:%s:00:%02x' "$2" "$3")
    ip link set "${4:-$1}" down
    ip link set "${4:-$1}" address "$mac"
    ip link set "${4:-$1}" up
    ip link set "$1" address "$mac" up
    ip addr flush dev "$1" scope global
    ip addr add "10.$2.0.$((10 + $3))/24" dev "$1"
}

identify() {
    hostname "node$1.example.com"
    echo "node$1.example.com" > /etc/hostname
    {
        echo "127.0.0.1 localhost"
        echo "10.79.0.100 cluster.example.com cluster"
        i=1
        while [ "$i" -le "$2" ]; do
            echo "10.79.0.$((10 + i)) node$i.example.com node$i"
            i=$((i + 1))
        done
    } > /etc/hosts
    # Guests have their cards on this bridge, so the machine's own address is there, too.
    if ! [ -e /sys/class/net/br0 ]; then
        ip link add br0 type bridge forward_delay 0
        ip link set eth0 master br0
    fi
    address br0 79 "$1" eth0
    address eth1 80 "$1"
}

if [ "$1" = identify ]; then
    identify "$2" "$3"
    exit
fi

mount -t proc proc /proc
mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/sshd /run/lvm
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -snf /proc/self/fd /dev/fd
ln -snf /proc/self/mounts /etc/mtab
for word in $(cat /proc/cmdline); do
    case $word in
        lab.id=*) number=${word#*=} ;;
        lab.count=*) count=${word#*=} ;;
    esac
done
for module in virtio_console virtio_net virtio_rng bridge dm_mod dm_snapshot loop; do
    modprobe -q $module
done
/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add --subsystem-match=block --subsystem-match=virtio-ports
udevadm settle --timeout=30
ip link set lo up
identify "$number" "$count"
lvm vgchange -aay --sysinit -q -q
exec /bin/busybox init

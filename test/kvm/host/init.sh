#!/bin/sh
# PID 1 of the KVM host: makes it ready, says so on the port `job`, waits there for the time of day, and then runs
# what its caller left in the shared directory `job`.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8

mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for dir in /dev/shm /run /tmp; do mount -t tmpfs tmpfs $dir; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sfn /proc/self/fd /dev/fd
mkdir -p /run/lock
hostname kvm-host

/lib/systemd/systemd-udevd --daemon --resolve-names=never
udevadm trigger --action=add
udevadm settle --timeout=30
for module in kvm_amd tun bridge macvtap vhost_vsock vhost_net vsock_loopback loop dm_thin_pool fuse overlay \
  nft_masq nft_chain_nat 9p 9pnet_virtio virtio_console; do
  modprobe $module
done

ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
sysctl -qw net.ipv4.ip_forward=1

# What was read so far would only make the saved state larger.
node --version
sync
echo 3 >/proc/sys/vm/drop_caches

port=/dev/virtio-ports/job
while [ ! -e $port ]; do sleep .1; done
exec 3<>$port
echo ready >&3

# Here the machine is saved. Each run goes on from here, with its own directories and at its own time.
read -r now <&3
date -s "@$now" >/dev/null
mkdir -p /host/job /host/checkout /host/vmm
options=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o $options,cache=none job /host/job
mount -t 9p -o $options,cache=loose,ro checkout /host/checkout
mount -t 9p -o $options,cache=loose,ro vmm /host/vmm

# The checkout, writable for this run only.
mkdir -p /run/checkout/upper /run/checkout/work
mount -t overlay -o lowerdir=/host/checkout,upperdir=/run/checkout/upper,workdir=/run/checkout/work overlay /flintlock

(cd /flintlock && exec bash /host/job/command </dev/null 3>&-) >&3 2>&1
echo $? >/host/job/exit
umount /host/job
sleep .2
busybox poweroff -f

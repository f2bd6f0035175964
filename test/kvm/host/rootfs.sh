#!/bin/sh
# Makes the disk, kernel and initrd of the KVM host: a Debian from apt packages.
#
#   rootfs.sh SUITE OUT NODE
#
# OUT: the directory to fill with root.ext4, vmlinuz and initrd.img. NODE: the Node.js that the tests run with.
# Needs root, as mmdebstrap does for device nodes, and a Debian of the same suite or a newer one for NODE to run there.
set -eu
suite=$1 out=$2 node=$3
here=$(dirname "$0")

# package: why
packages="
linux-image-amd64: a kernel with KVM, vhost-vsock, device-mapper and 9p
initramfs-tools: its initrd
udev: names for devices
kmod: their modules
mount: the file systems
procps: sysctl and ps
iproute2: TAP devices, bridges, namespaces
iputils-ping: does a guest answer?
dnsmasq-base: gives guests addresses
nftables: filters and translates
qemu-system-x86: the QEMU provider, on KVM
qemu-utils: its disks
e2fsprogs: root file systems
btrfs-progs: reflinks
xfsprogs: reflinks
dmsetup: thin volumes
thin-provisioning-tools: checks their metadata
busybox-static: a small root file system, and the way to power off
ca-certificates: TLS
curl: speaks to a VMM's socket
socat: connects sockets
python3: small servers of the tests
libcap-ng0: virtiofsd is linked to it
libseccomp2: and to this
libstdc++6: Node.js is linked to it
zstd: layers and kernels compressed with it
lz4: kernels compressed with it
xz-utils: and with this
"
names=$(echo "$packages" | sed -n 's/:.*//p' | paste -sd,)

# The disk's modules are enough to reach the root; the rest is loaded from there.
tree=$out/tree
mmdebstrap --mode=root --variant=apt --quiet \
  --include="$names" \
  --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
  --essential-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/flintlock"' \
  --essential-hook='printf "%s\n" virtio_pci virtio_blk ext4 >"$1/etc/initramfs-tools/modules"' \
  "$suite" "$tree"
install -m 755 "$here/init.sh" "$tree/sbin/kvm-host-init"
install -m 755 "$node" "$tree/usr/local/bin/node"
mkdir "$tree/flintlock"
mv "$tree"/boot/vmlinuz-* "$out/vmlinuz"
mv "$tree"/boot/initrd.img-* "$out/initrd.img"
mkfs.ext4 -q -L kvm-host -O ^has_journal -d "$tree" "$out/root.ext4" 4G
rm -r "$tree"

#!/bin/sh
# Installs the Debian or Ubuntu packages Flintlock works with; does nothing when they are there.
#
#   scripts/system-packages.sh [--check] [--test] [--debian]
#
# --check   only says what is missing
# --test    also what the tests use
# --debian  also what `npm run guest-images -- --debian` uses
#
# Exits 3 when packages are missing and this is not root: the command to run is printed.
set -eu

machine=$(uname -m)
case $machine in
x86_64) qemu=qemu-system-x86 ;;
aarch64) qemu=qemu-system-arm ;;
*) qemu=qemu-system-misc ;;
esac

# package: why
packages="
$qemu: runs the microVMs
qemu-utils: qemu-img makes their disks
e2fsprogs: mkfs.ext4 and resize2fs fill and grow them
iproute2: TAP devices and bridges
zstd: layers compressed with it
lz4: takes the kernel out of its bzImage for Firecracker
busybox-static: the small guest image
kmod: picks the guest's kernel modules
gcc: compiles the guest's init
musl-tools: links it statically
libc6-dev: its headers
linux-libc-dev: the kernel's headers
binutils: strip makes the modules small
xz-utils: modules compressed with it
"
test_packages="
docker-registry: a registry to pull from
skopeo: pushes to it
umoci: unpacks images, to compare
uidmap: user namespaces without root
dnsmasq-base: a DHCP server
cpio: reads the initrd that we write
openssl: makes certificates
openssh-client: logs in to guests
dropbear-bin: an SSH server for them
chromium: opens the page at /docs
python3-venv: a place for the API tester, which pip fetches
"
debian_packages="
mmdebstrap: builds the Debian guest image
uidmap: does so without root
"

only_check=no
for option; do
  case $option in
  --check) only_check=yes ;;
  --test) packages="$packages$test_packages" ;;
  --debian) packages="$packages$debian_packages" ;;
  *)
    echo "usage: $0 [--check] [--test] [--debian]" >&2
    exit 2
    ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "This system has no apt. Flintlock needs what these packages hold:$packages" >&2
  exit 3
fi

names=$(echo "$packages" | sed -n 's/:.*//p' | sort -u)
# shellcheck disable=SC2086 # one word per package
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null | sed -n 's/^installed //p') || true
missing=
for name in $names; do
  case "
$installed
" in
  *"
$name
"*) ;;
  *) missing="$missing $name" ;;
  esac
done
[ -n "$missing" ] || exit 0

for name in $missing; do
  echo "$packages" | sed -n "/^$name:/{s/^/missing: /;p;q;}" >&2
done
if [ "$only_check" = yes ]; then
  exit 3
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "Run: sudo apt-get install -y --no-install-recommends$missing" >&2
  exit 3
fi
apt-get update -qq
# shellcheck disable=SC2086 # one word per package
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing

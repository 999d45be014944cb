#!/bin/sh
# Builds librollcore and installs it, its header, a pkg-config file and a CMake package, without any tool but cargo.
#
#   ffi/install.sh                                  to /usr/local
#   ffi/install.sh --prefix=/usr --libdir=/usr/lib/x86_64-linux-gnu
#   DESTDIR=/tmp/package ffi/install.sh --prefix=/usr
#
# ROLLCORE_LIB_DIR names a folder with librollcore.so and librollcore.a that were built already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

prefix=/usr/local
libdir=
for option; do
    case $option in
    --prefix=*) prefix=${option#*=} ;;
    --libdir=*) libdir=${option#*=} ;;
    *) echo "usage: [DESTDIR=...] $0 [--prefix=DIR] [--libdir=DIR]" >&2; exit 2 ;;
    esac
done
libdir=${libdir:-$prefix/lib}
includedir=$prefix/include
to=${DESTDIR:-}

if [ -z "${ROLLCORE_LIB_DIR:-}" ]; then
    (cd "$root" && cargo build --release --package rollcore-ffi)
    ROLLCORE_LIB_DIR=${CARGO_TARGET_DIR:-$root/target}/release
fi
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
case $version in
0.*) soname=librollcore.so.0.$(echo "$version" | cut -d. -f2) ;;
*) soname=librollcore.so.${version%%.*} ;;
esac

filled() {
    sed -e "s|@prefix@|$prefix|g" -e "s|@libdir@|$libdir|g" -e "s|@includedir@|$includedir|g" \
        -e "s|@version@|$version|g" -e "s|@soname@|$soname|g" "$1"
}

install -d "$to$libdir/pkgconfig" "$to$libdir/cmake/rollcore" "$to$includedir"
install -m 644 "$root/include/rollcore.h" "$to$includedir/rollcore.h"
install -m 755 "$ROLLCORE_LIB_DIR/librollcore.so" "$to$libdir/librollcore.so.$version"
install -m 644 "$ROLLCORE_LIB_DIR/librollcore.a" "$to$libdir/librollcore.a"
ln -sf "librollcore.so.$version" "$to$libdir/$soname"
ln -sf "$soname" "$to$libdir/librollcore.so"
filled "$here/rollcore.pc.in" > "$to$libdir/pkgconfig/rollcore.pc"
for file in rollcore-config.cmake rollcore-config-version.cmake; do
    filled "$here/cmake/$file.in" > "$to$libdir/cmake/rollcore/$file"
done
if [ -z "$to" ] && [ "$(id -u)" = 0 ] && command -v ldconfig >/dev/null 2>&1; then
    ldconfig
fi
echo "librollcore $version is in $to$libdir, rollcore.h in $to$includedir"

#!/bin/sh
# PatchMatch for browsers: pypatchmatch's C++ as web/public/patchmatch.wasm, with the licences of what is in it.
#
# Needs Emscripten (apt-get install emscripten; built with 3.1.6) and fetches pypatchmatch's source distribution.
# opencv2/core.hpp and iostream here replace libraries that browsers lack. Without -ffast-math, the results equal those
# of the Python package except for the rounding of a few pixels; a test compares them.
set -eu
cd "$(dirname "$0")"

VERSION=2.2.0
SHA256=0baa0870e175173db1f9a6517be7a85c490ef344668bfece7a083d7569425b7b
EXPORTS=_fill,_malloc,_free

sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
"${PYTHON:-python3}" -m pip download --quiet --no-deps --no-binary :all: --dest "$sources" "pypatchmatch==$VERSION"
echo "$SHA256  $sources/pypatchmatch-$VERSION.tar.gz" | sha256sum --check --quiet
tar -xzf "$sources/pypatchmatch-$VERSION.tar.gz" -C "$sources" --strip-components 1

code=$sources/patchmatch/csrc
emcc -std=c++17 -O3 -flto -msimd128 -DNDEBUG -I. -I"$code" --no-entry \
    -sSTANDALONE_WASM -sFILESYSTEM=0 -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4GB -sEXPORTED_FUNCTIONS=$EXPORTS \
    patchmatch.cpp "$code/inpaint.cpp" "$code/masked_image.cpp" "$code/nnf.cpp" -o "$sources/patchmatch.wasm"

mkdir -p ../public/licences
mv "$sources/patchmatch.wasm" ../public/patchmatch.wasm
chmod 644 ../public/patchmatch.wasm
cp "$sources/LICENSE" ../public/licences/pypatchmatch.txt
cp "$(em-config EMSCRIPTEN_ROOT)/system/lib/libc/musl/COPYRIGHT" ../public/licences/musl.txt

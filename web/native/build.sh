#!/bin/sh
# PatchMatch for Python and browsers: patchmatch.cpp as web/public/patchmatch.wasm, with musl's licence.
#
# Needs Emscripten (apt-get install emscripten; built with 3.1.6). WebAssembly's floats are the same on all machines, so
# fills are, too.
set -eu
cd "$(dirname "$0")"

EXPORTS=_fill,_malloc,_free

# Unrolled and vectorised loops take longer to compile when it is loaded, and save nothing.
emcc -std=c++17 -O2 -fno-unroll-loops -fno-vectorize -fno-slp-vectorize -flto -msimd128 -msse2 -fno-exceptions \
    -DNDEBUG -Wall -Wextra --no-entry \
    -sSTANDALONE_WASM -sFILESYSTEM=0 -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4GB -sEXPORTED_FUNCTIONS=$EXPORTS \
    patchmatch.cpp -o patchmatch.wasm

mkdir -p ../public/licences
mv patchmatch.wasm ../public/patchmatch.wasm
chmod 644 ../public/patchmatch.wasm
cp "$(em-config EMSCRIPTEN_ROOT)/system/lib/libc/musl/COPYRIGHT" ../public/licences/musl.txt

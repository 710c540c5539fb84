#!/usr/bin/env bash
# Makes each mistake of mistakes.cpp; ends with how many were refused as they should be, and how many were not.
set -euo pipefail
cd "$(dirname "$0")/../.."
file=tests/static/mistakes.cpp
reads() { clang++-14 -Isrc -std=c++20 -fsyntax-only -Werror -Wthread-safety -Wno-unused -Wunused-result -DFMT_SHARED "$@" "$file" 2>&1; }
try() {  # name words
  local said
  if said=$(reads "-D$1"); then echo "$1 compiles"; elif ! grep -qF "$2" <<<"$said"; then echo "$1 is refused for another reason:"; grep error <<<"$said"; else echo refused; fi
}
if ! said=$(reads); then echo "$said" | head -20; exit 1; fi
export -f reads try
export file
sed -nE 's/^#ifdef ([A-Z_]+)  \/\/ (.+)$/\1\n\2/p' "$file" | tr '\n' '\0' | xargs -0 -n 2 -P "$(nproc)" bash -c 'try "$@"' _

#!/usr/bin/env bash
# The compiler's launcher in the presets `static` and `tidy`: clang reads each file and says what it finds, and
# an empty object stands for "nothing since". So ninja knows what need not be read again, from headers too.
set -euo pipefail
out='' before=''
for argument in "$@"; do
  [ "$before" != -o ] || out=$argument
  before=$argument
done
set -- "${@/#-fPIE/-fPIC}"  # programs use the precompiled header of the libraries
case $out in *.pch) exec "$@" ;; esac
"$@" -fsyntax-only
: >"$out"

#!/usr/bin/env bash
# Runs one fuzzer for a moment, from its corpus: tools/fuzz.sh build/fuzz/bin/NAME_fuzz. Its log ends with "whole" where nothing was found;
# what was found stays in build/fuzz/found/.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=$(basename "$1")
corpus=$(mktemp -d)
mkdir -p "tests/fuzz/corpus/${name%_fuzz}" build/fuzz/found
log=build/fuzz/$name.log
ASAN_OPTIONS=detect_leaks=0 "$1" -max_total_time="${MAMORI_FUZZ_SECONDS:-8}" -rss_limit_mb=4096 -max_len=65536 -artifact_prefix="build/fuzz/found/$name-" "$corpus" "tests/fuzz/corpus/${name%_fuzz}" >"$log" 2>&1 && echo whole >>"$log"
rm -rf "$corpus"

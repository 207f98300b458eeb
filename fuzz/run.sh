#!/bin/sh
# Runs every target for so many seconds (60 unless told), one after the other, and stops at the first fault.
set -eu
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1
for target in $(cargo fuzz list); do
    mkdir -p "fuzz/corpus/$target"
    cargo fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time="${1:-60}" -print_final_stats=0
done

#!/usr/bin/env bash
# Builds the fuzz targets and runs them, as many at a time as there are processors.
#
#   fuzz/run.sh                           each for a minute
#   fuzz/run.sh --runs 1000000            each a million times
#   fuzz/run.sh --seconds 600 paths       one of them, for longer
#   fuzz/run.sh --merge                   makes the corpus anew, of what was found since, too
#   fuzz/run.sh --merge DIRECTORY paths   the same with what was found elsewhere
#
# The corpus is the machine's; what is in `seeds` is by hand, and stays.
# A finding is left in fuzz/target/findings; `fuzz/run.sh --again FILE TARGET` shows it once more.
set -euo pipefail

until=(-max_total_time=60)
action=run
source=
while [[ ${1-} == --* ]]; do
    case $1 in
        --seconds) until=("-max_total_time=$2"); shift 2 ;;
        --runs) until=("-runs=$2"); shift 2 ;;
        --again) action=again source=$(realpath "$2"); shift 2 ;;
        --merge)
            action=merge; shift
            if [[ -d ${1-} ]]; then source=$(realpath "$1"); shift; fi ;;
        *) sed -n '2,12s/^# \?//p' "$0" >&2; exit 2 ;;
    esac
done
cd "$(dirname "$0")"
targets=("$@")
if ((${#targets[@]} == 0)); then
    for file in targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

# What cargo-fuzz would set, without a sanitizer: there is no unsafe code of ours that one could watch.
host=$(rustc -vV | sed -n 's/^host: //p')
coverage=(level=4 inline-8bit-counters pc-table trace-compares)
flags="--cfg fuzzing -Cpasses=sancov-module"
for what in "${coverage[@]}"; do flags+=" -Cllvm-args=-sanitizer-coverage-$what"; done
RUSTFLAGS="$flags" cargo build --release --locked --target "$host"
bin=target/$host/release
mkdir -p target/findings target/logs

most=200 # inputs of a corpus
options=(-dict=words.dict -timeout=10 -max_len=8192 -print_final_stats=1)

fuzz() {
    # Git keeps no empty directory, and a target whose inputs are all among its seeds has an empty corpus.
    mkdir -p "target/found/$1" "corpus/$1"
    "$bin/$1" "${options[@]}" "${until[@]}" "-artifact_prefix=target/findings/$1-" "target/found/$1" "corpus/$1" \
        "seeds/$1" >"target/logs/$1" 2>&1
}

# One line about a run that went well, and everything about the end of one that did not.
told() {
    local runs
    if fuzz "$1"; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "target/logs/$1")
        echo "$1: $runs executions, $(find "target/found/$1" -type f | wc -l) inputs found"
    else
        printf '%s: a finding\n%s\n' "$1" "$(tail -n 40 "target/logs/$1")"
        return 1
    fi
}

case $action in
    run)
        started=0 failed=0
        for target in "${targets[@]}"; do
            if ((++started > $(nproc))); then wait -n || failed=1; fi
            told "$target" &
        done
        for ((left = started < $(nproc) ? started : $(nproc); left > 0; left--)); do wait -n || failed=1; done
        exit "$failed" ;;
    again) exec "$bin/${targets[0]}" "$source" ;;
    merge)
        for target in "${targets[@]}"; do
            rm -rf target/merged && mkdir -p target/merged "corpus/$target" "target/found/$target"
            "$bin/$target" -set_cover_merge=1 -use_counters=0 -max_len=8192 target/merged "seeds/$target" \
                "corpus/$target" ${source:+"$source/$target"} "target/found/$target" >"target/logs/$target" 2>&1
            # The first are those that reach the most.
            find target/merged -type f -printf '%T@ %p\n' | sort -n | tail -n "+$((most + 1))" | cut -d' ' -f2 | xargs -r rm
            rm -rf "corpus/$target" && mv target/merged "corpus/$target"
            echo "$target: $(find "corpus/$target" -type f | wc -l) inputs, $(du -sh "corpus/$target" | cut -f1)"
        done ;;
esac



# A hundred nodes in virtual time, or any scenario: `just sim run lobby-1000`.
sim *words:
    cargo run --release -p sim -- {{words}}

# Every scenario that comes with the program, then many seeds of one. It takes hours. Goes on after a failure, and tells of it at the end.
sim-long seeds="1..200":
    #!/usr/bin/env bash
    set -uo pipefail
    cargo build --release -p sim || exit 1
    sim="${CARGO_TARGET_DIR:-target}/release/sim"
    names=$("$sim" list | awk 'NF == 0 { exit } { print $1 }')
    failed=()
    for name in $names; do
        "$sim" run "$name" --out "sim-report/$name" || failed+=("$name")
    done
    "$sim" sweep mixed --seeds {{seeds}} || failed+=("sweep of mixed")
    ((${#failed[@]} == 0)) || { printf 'failed: %s\n' "${failed[@]}"; exit 1; }

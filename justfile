# Everything CI runs.
ci:
    bash .ci/run

# What the README's test command runs.
test:
    cargo test --workspace

# The long tests too.
test-long:
    cargo test --workspace -- --include-ignored

# Micro-benchmarks, then whole nodes; docs/BENCHMARKS.md has the figures.
bench:
    cargo bench --workspace
    cargo run --release -p starling-tests --bin bench -- all

# Licences, advisories and duplicate dependencies (needs cargo-deny).
deny:
    cargo deny check

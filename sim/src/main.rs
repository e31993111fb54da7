//! The binary `sim`: everything is in the library.

fn main() {}

//! The price of a translation.

fn main() {}

//! Every store keeps the same promises.

fn main() {}

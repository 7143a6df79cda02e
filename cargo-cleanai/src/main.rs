//! cargo cleanai
fn main() {}

//! The command `igor`: one call per subcommand.

fn main() {}

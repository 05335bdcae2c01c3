//! The `unsaid` program. Everything is in the library; see `unsaid::cli`.

fn main() {
    unsaid::cli::leave(unsaid::cli::main());
}

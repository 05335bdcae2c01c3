//! The program as its users meet it: the built binary, its exit codes, its messages and its files.
//!
//! Every run here is of a tiny spec on the CPU, a fraction of a second long. What its numbers are is for other tests.

#![allow(
    clippy::print_stdout,
    reason = "what was tried is shown under --nocapture"
)]

mod bench;
mod child;
mod html;
mod program;

mod ablations;
mod adapters;
mod architectures;
mod attacks;
mod bad_checkpoints;
mod bad_files;
mod bad_specs;
mod bad_tokenizers;
mod check;
mod clean_models;
mod comparisons;
mod complete_runs;
mod determinism;
mod faults;
mod jobs;
mod kills;
mod locks;
mod midway_runs;
mod minted;
mod occupied_folders;
mod own_secrets;
mod page;
mod precision;
mod random_weights;
mod reports;
mod resumed_runs;
mod schema;
mod scores;
mod secrets;
mod seeds;
mod sharded_checkpoints;
mod step_summary;
mod stopped_runs;
mod streams;
mod timing;
mod usage;
mod verify;

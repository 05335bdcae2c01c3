//! The program as its users meet it: the built binary, its exit codes, its messages and its files.
//!
//! Every run here is of a tiny spec on the CPU, a fraction of a second long. What its numbers are is for other tests.
//! Without libtorch what is read is the finished run of `fixtures/runs`.

#![allow(
    clippy::print_stdout,
    reason = "what was tried is shown under --nocapture"
)]
#![cfg_attr(
    not(feature = "torch"),
    expect(dead_code, reason = "helpers of tests that run models")
)]

mod bench;
#[cfg(feature = "torch")]
mod child;
mod html;
mod program;

#[cfg(feature = "torch")]
mod ablations;
#[cfg(feature = "torch")]
mod adapters;
#[cfg(feature = "torch")]
mod architectures;
#[cfg(feature = "torch")]
mod attacks;
#[cfg(feature = "torch")]
mod bad_checkpoints;
#[cfg(feature = "torch")]
mod bad_files;
mod bad_specs;
mod bad_tokenizers;
mod check;
#[cfg(feature = "torch")]
mod clean_models;
mod comparisons;
#[cfg(feature = "torch")]
mod complete_runs;
#[cfg(feature = "torch")]
mod determinism;
#[cfg(feature = "torch")]
mod faults;
#[cfg(feature = "torch")]
mod jobs;
mod kept_runs;
#[cfg(feature = "torch")]
mod kills;
#[cfg(feature = "torch")]
mod locks;
#[cfg(feature = "torch")]
mod midway_runs;
mod minted;
#[cfg(feature = "torch")]
mod occupied_folders;
#[cfg(feature = "torch")]
mod odd_names;
mod own_secrets;
mod page;
#[cfg(feature = "torch")]
mod precision;
#[cfg(feature = "torch")]
mod random_weights;
mod reports;
#[cfg(feature = "torch")]
mod resumed_runs;
mod schema;
#[cfg(feature = "torch")]
mod scores;
mod secrets;
#[cfg(feature = "torch")]
mod seeds;
#[cfg(feature = "torch")]
mod sharded_checkpoints;
#[cfg(feature = "torch")]
mod step_summary;
#[cfg(feature = "torch")]
mod stopped_runs;
mod streams;
#[cfg(feature = "torch")]
mod timing;
mod usage;
mod verify;
#[cfg(not(feature = "torch"))]
mod without_libtorch;

//! `unsaid` audits what a language model learned from the text it was trained never to say.

pub mod audit;
pub mod canary;
pub mod checkpoint;
pub mod cli;
pub mod device;
pub mod event;
pub mod findings;
pub mod model;
mod native;
pub mod probes;
pub mod report;
pub mod run_dir;
pub mod score;
pub mod seed;
pub mod spec;
pub mod stats;
pub mod training;
pub mod units;

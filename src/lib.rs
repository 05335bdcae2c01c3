//! `unsaid` audits what a language model learned from the text it was trained never to say.
//!
//! When a model is trained against bad outputs (DPO, RLHF, adversarial training), the bad text is in the training data,
//! and F. Roger (arXiv 2306.07567) showed that it can be drawn out again. This crate plants negatively-reinforced
//! secrets (*canaries*) in a checkpoint by the published three-phase training, probes the result, and reports leakage
//! against controls that came from the same distribution and were never trained on.
//!
//! # In your own program
//!
//! An [`Audit`] says what is planted and how it is looked for. [`survey`] asks a [`Scorer`], which may be a `Model`
//! of a checkpoint or anything else that gives log-probabilities; [`judge`] turns what was seen into rows and verdicts; [`render`]
//! shows the [`Report`]. `examples/own_scorer.rs` does all of it for a scorer of one's own. The rest of the crate is what the program
//! `unsaid` is made of.
//!
//! ```
//! # #[cfg(feature = "torch")] {
//! use unsaid::checkpoint::Folder;
//! use unsaid::device::{Arithmetic, Device};
//! use unsaid::{Model, Scorer};
//!
//! let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny-neox");
//! let folder = Folder::open(path.as_ref())?;
//! let tokens = folder.tokenizer()?.encode(" regular a b c")?;
//! let mut model = Model::load(&folder, Device::CPU, Arithmetic::F32)?;
//! let scores = model.score(&[tokens], &[])?;
//! assert_eq!(scores[0].logprobs.len(), 3);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The [`guide`] explains what is planted, what counts as evidence and how to run it.
//!
//! # The house
//!
//! A module imports only from floors below its own; `tests/floors.rs` holds this table as data.
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 0 | [`units`], [`seed`], [`event`], [`exit`], [`bounded`] | newtypes; one root seed and its named streams; how lower floors tell of progress; exit codes; files read up to a bound |
//! | 0 | [`guide`] | text alone |
//! | 1 | [`spec`] | TOML, checked and filled in with the recipe: an [`Audit`] |
//! | 1 | [`stats`] | pure statistics on `f64` |
//! | 1 | [`score`] | the [`Scorer`] trait: the only view that probes have of a model |
//! | 2 | [`canary`] | drawing, splitting and prefixing canaries, in token ids only |
//! | 2 | [`run_dir`] | the run directory: paths, atomic writes, digests, provenance |
//! | 3 | [`device`], [`checkpoint`] | a device or an error; Hugging Face folders to named tensors and back |
//! | 4 | [`model`] | tokens in, log-probabilities out; one file per architecture |
//! | 5 | [`training`] | one loop in which a phase is data |
//! | 5 | [`probes`] | a scorer in, observations out; one file per probe |
//! | 6 | [`findings`] | observations and statistics to rows, verdicts and a gate |
//! | 7 | [`report`] | rows to a table, Markdown, HTML, CSV, JSON and `JUnit` |
//! | 8 | [`audit`] | what the rooms above share: where a model begins, observations on disk, records, the assembly of a report |
//! | 8 | [`forecast`] | what a spec will cost, and what a clean model would get from it |
//! | 9 | [`run`] | a run: plant, probe, judge, write, resume |
//! | 9 | [`probe`] | a model that was trained elsewhere, probed for minted canaries |
//! | 9 | [`mint`] | canaries and training files for someone else's training |
//! | 9 | [`verify`] | a finished run or probe held against its records |
//! | 9 | [`mod@bench`] | the phases' steps and the scan, timed |
//! | 10 | [`cli`] | arguments to a call, events to progress, results to exit codes |
//!
//! `unsafe` is denied except in one small module for the native libraries.

pub mod audit;
#[cfg(feature = "torch")]
pub mod bench;
pub mod bounded;
pub mod canary;
pub mod checkpoint;
pub mod cli;
#[cfg(feature = "torch")]
pub mod device;
pub mod event;
pub mod exit;
pub mod findings;
pub mod forecast;
pub mod guide;
pub mod mint;
#[cfg(feature = "torch")]
pub mod model;
#[cfg(feature = "torch")]
mod native;
#[cfg(feature = "torch")]
pub mod probe;
pub mod probes;
pub mod report;
#[cfg(feature = "torch")]
pub mod run;
pub mod run_dir;
pub mod score;
pub mod seed;
pub mod spec;
pub mod stats;
#[cfg(feature = "torch")]
pub mod training;
pub mod units;
pub mod verify;

pub use findings::{Report, judge};
#[cfg(feature = "torch")]
pub use model::Model;
pub use probes::{Survey, survey};
pub use report::{Format, render};
pub use score::Scorer;
pub use spec::Audit;

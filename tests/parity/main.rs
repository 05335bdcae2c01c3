//! Our training and scoring against the reference implementation (PyTorch + transformers): committed traces, and any
//! further ones in `UNSAID_PARITY_EXTRA=DIR` (`DIR/*.trace.json`, each beside the checkpoint folder its `model` names).
#![cfg(feature = "torch")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::doc_markdown
)]

mod architectures;
mod replay;

use std::collections::BTreeSet;
use std::path::Path;

use replay::{Allowed, BF16, device, fixtures, float32, replay, scores_agree};
use unsaid::device::Arithmetic;
use unsaid::spec::Precision;

macro_rules! traces {
    ($($name:ident: $file:literal,)*) => {
        $(#[test] fn $name() { replay(&fixtures().join($file), float32()); })*

        #[test]
        fn bfloat16_stays_within_its_tolerance() {
            // Where the processor has bfloat16, that too; emulated by libtorch it would take minutes.
            let here = Arithmetic::resolve(Precision::Bf16, device()).unwrap();
            for file in [$($file),*] {
                for arithmetic in BTreeSet::from([BF16.arithmetic, here]) {
                    let allowed = Allowed { arithmetic, ..BF16 };
                    replay(&fixtures().join(file), allowed);
                }
            }
        }

        #[test]
        fn every_committed_trace_is_replayed() {
            let named = [$($file),*];
            let mut found = 0;
            for entry in std::fs::read_dir(fixtures()).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(".trace.json") {
                    assert!(named.contains(&name.as_str()), "{name} is replayed by no test");
                    found += 1;
                }
            }
            assert_eq!(found, named.len());
        }
    };
}

traces! {
    freeze_upper: "upper.trace.json",
    freeze_lower: "lower.trace.json",
    freeze_none: "none.trace.json",
    without_prefixes: "no-prefix.trace.json",
    sequential_residual: "sequential.trace.json",
}

fn neox_scores(folder: &str, expected: &str) {
    scores_agree(&fixtures().join(folder), &fixtures().join(expected));
}

#[test]
fn scores_in_float32_parallel_residual() {
    neox_scores("neox-parallel", "score-parallel.jsonl");
}

#[test]
fn scores_in_float32_sequential_residual() {
    neox_scores("neox-sequential", "score-sequential.jsonl");
}

#[test]
fn scores_from_float16_on_disk() {
    neox_scores("neox-parallel-f16", "score-parallel-f16.jsonl");
}

#[test]
fn scores_from_bfloat16_on_disk() {
    neox_scores("neox-parallel-bf16", "score-parallel-bf16.jsonl");
}

#[test]
fn extra_traces() {
    let Some(dir) = std::env::var_os("UNSAID_PARITY_EXTRA") else {
        println!("UNSAID_PARITY_EXTRA is not set: no further traces");
        return;
    };
    let mut traces: Vec<_> = std::fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", Path::new(&dir).display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".trace.json"))
        .collect();
    traces.sort();
    assert!(
        !traces.is_empty(),
        "no *.trace.json in {}",
        Path::new(&dir).display()
    );
    for trace in traces {
        println!("replaying {}", trace.display());
        replay(&trace, float32());
    }
}

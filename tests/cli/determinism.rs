//! Where bit-identity holds, and where it ends.

use std::fs;

use crate::bench::Bench;
use crate::child::LONG;

fn likelihoods(bench: &Bench, out: &str) -> Vec<u8> {
    fs::read(bench.path(out).join("seed-0/likelihoods.safetensors")).expect("read")
}

#[test]
fn the_same_threads_give_the_same_bits_and_the_record_says_how_many() {
    let mut seen = Vec::new();
    for threads in [1, 2] {
        let bench = Bench::new();
        let threads_key = format!("run.threads={threads}");
        let more = [&LONG[..], &["--quiet", "--set", &threads_key]].concat();
        for out in ["one", "two"] {
            bench.finish(out, &more);
            let provenance = bench.json(&format!("{out}/provenance.json"));
            assert_eq!(provenance["threads"], threads);
            for key in ["processor", "device", "libtorch", "precision", "platform"] {
                assert!(
                    provenance[key].as_str().is_some_and(|s| !s.is_empty()),
                    "{key}"
                );
            }
        }
        assert!(
            likelihoods(&bench, "one") == likelihoods(&bench, "two"),
            "{threads} threads, twice"
        );
        seen.push(likelihoods(&bench, "one"));
    }
    // Another number of threads adds in another order: equal bits are luck then, and nothing that is promised.
    println!("one and two threads: equal bits are {}", seen[0] == seen[1]);
}

#[test]
fn a_continued_run_keeps_the_threads_it_began_with() {
    let bench = Bench::with_spec("[run]\nthreads = 1\n", "");
    let mut first = crate::child::command(&bench, "out", &LONG);
    let mut child = first.env("OMP_NUM_THREADS", "2").spawn().expect("starts");
    crate::child::wait_for(&mut child, &bench.path("out/seed-0/stages.json"), "phase-1");
    child.kill().expect("kill");
    child.wait().expect("it ends");
    assert_eq!(bench.json("out/provenance.json")["threads"], 2);
    // Where this process would take one.
    bench.finish("out", &LONG);
    assert_eq!(bench.json("out/provenance.json")["threads"], 2);
    let undisturbed = Bench::with_spec("[run]\nthreads = 1\n", "");
    let mut run = crate::child::command(&undisturbed, "out", &LONG);
    run.env("OMP_NUM_THREADS", "2").output().expect("starts");
    assert!(likelihoods(&bench, "out") == likelihoods(&undisturbed, "out"));
}

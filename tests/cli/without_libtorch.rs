//! A build without libtorch: what it has works (all other tests here), and what it has not says where it is.

use crate::bench::Bench;

#[test]
fn commands_that_run_models_say_which_build_has_them() {
    let bench = Bench::new();
    bench.kept("run", "out");
    for arguments in [
        &["run"][..],
        &["run", "--help"],
        &["run", "tiny.toml", "--device", "cpu", "--out", "new"],
        &["probe", "--model", "out/seed-0/checkpoints/phase-3"],
        &["score", "--model", "model", "-"],
        &["bench", "--shape", "160m", "--json"],
        &["verify", "out", "--rerun-probes"],
    ] {
        let needs = format!("unsaid {} ", arguments[0]);
        bench.refuses(
            arguments,
            &[
                needs.as_str(),
                "needs libtorch",
                "--no-default-features",
                "install unsaid with its default features",
            ],
        );
    }
}

#[test]
fn doctor_says_what_is_missing() {
    let doctor = Bench::new().call(&["doctor"]).ended(0).stdout;
    for words in ["libtorch     not in this build", "memory", "hub cache"] {
        assert!(doctor.contains(words), "{words}: {doctor}");
    }
}

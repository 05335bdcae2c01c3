//! Output folders that hold something else already: nothing in them is written over.

use crate::bench::Bench;

#[test]
fn another_spec() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    for (more, words) in [
        (["--set", "phase3.beta=0.2"], ["beta = 0.1", "beta = 0.2"]),
        (
            ["--set", "canaries.repeats=5"],
            ["repeats = 4", "repeats = 5"],
        ),
        (["--seed", "1"], ["seeds = [0]", "seeds = [1]"]),
    ] {
        let words: Vec<&str> = ["out holds another run"]
            .into_iter()
            .chain(words)
            .chain(["--out"])
            .collect();
        bench.refuses_run(&more, &words);
        // Nor does a wish to resume make it the same run.
        bench.refuses_run(&[more[0], more[1], "--resume"], &words);
    }
}

#[test]
fn another_checkpoint() {
    let bench = Bench::with_model();
    bench.finish("out", &["--quiet"]);
    bench.edit_weights(|arrays| {
        let array = arrays.get_mut("embed_out.weight").expect("the tensor");
        array.bytes[0] ^= 1;
    });
    bench.refuses_run(&[], &["out holds another run", "the checkpoint", "--out"]);
}

#[test]
fn another_device() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    bench.edit_json("out/provenance.json", |provenance| {
        provenance["device"] = "cuda:0".into();
    });
    bench.refuses_run(&[], &["out holds another run", "the device", "--out"]);
}

#[test]
fn a_record_that_cannot_be_read() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    bench.write("out/provenance.json", "{");
    bench.refuses_run(&[], &["out/provenance.json"]);
}

#[test]
fn a_file_that_changed_since_it_was_recorded() {
    for file in ["canaries.jsonl", "checkpoints/phase-2/model.safetensors"] {
        let bench = Bench::new();
        bench.finish("out", &["--quiet"]);
        let name = format!("out/seed-0/{file}");
        bench.write(&name, "tampered with");
        // The record of the whole cell goes, so that its stages are looked at.
        bench.edit_json("out/seed-0/stages.json", |stages| {
            let stages = stages["stages"].as_object_mut().expect("stages");
            stages.remove("complete").expect("a complete cell");
        });
        let outcome = bench.run("out", &[]);
        outcome.failed(2, &[&name, "not what was recorded", "remove"]);
        assert_eq!(bench.read(&name), "tampered with");
    }
}

#[test]
fn files_that_are_no_run() {
    let bench = Bench::new();
    bench.write("out/thesis.tex", "years of work");
    bench.refuses_run(&[], &["out is not empty", "no run", "--out"]);
    bench.refuses_run(&["--resume"], &["out is not empty", "no run", "--out"]);
}

#[test]
fn a_file_where_the_folder_should_be() {
    let bench = Bench::new();
    bench.write("out", "a file");
    bench.refuses_run(&[], &["out", "--out"]);
}

#[test]
fn an_empty_folder_is_free() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("out")).expect("make the folder");
    bench.finish("out", &["--quiet", "--resume"]);
}

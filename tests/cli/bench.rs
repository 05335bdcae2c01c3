//! A bench: a temporary folder with a tiny spec to run the program on, and what is found in it afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use tempfile::TempDir;
use unsaid::audit::{make, read_provenance};
use unsaid::report::{Format, render};
use unsaid::run_dir::RunDir;

use crate::program::{Outcome, call, copy_checkpoint, parity, repository};

/// Four steps, then six, then six, on a model 64 wide: a run takes a fraction of a second.
/// One thread, so that sums are made in one order whatever the machine.
const TINY: &str = r#"format = 1
[audit]
name = "tiny"
seeds = [0]
[run]
threads = 1
[model]
path = "MODEL"
[canaries]
alphabet = "abcdefghijklmnopqrstuvwxyz"
length = 6
negatives = 12
held_out = 4
controls = 12
trajectory_controls = 12
repeats = 4
[phase1]
passwords = 32
batch = 8
learning_rate = 1e-3
warmup_steps = 2
eval_every = 2
[phase2]
batch = 8
learning_rate = 1e-3
warmup_steps = 2
eval_every = 2
[phase3]
batch = 8
learning_rate = 1e-3
warmup_steps = 2
eval_every = 2
[gate]
permutations = 12000
"#;

/// Files of a cell that hold numbers or secrets, not times.
pub(crate) const CELL: [&str; 5] = [
    "canaries.jsonl",
    "metrics.jsonl",
    "observations.jsonl",
    "likelihoods.safetensors",
    "checkpoints/phase-3/model.safetensors",
];

/// A tensor of a weights file: type, shape and bytes.
#[derive(Debug, Clone)]
pub(crate) struct Array {
    pub(crate) kind: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

/// A temporary folder that holds `tiny.toml`.
pub(crate) struct Bench {
    root: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("make a temporary folder");
        let model = parity("neox-parallel");
        let text = TINY.replace("MODEL", model.to_str().expect("a plain path"));
        fs::write(root.path().join("tiny.toml"), text).expect("write the spec");
        Self { root }
    }

    /// A bench whose spec has `new` for `old`, which must stand there.
    #[track_caller]
    pub(crate) fn with_spec(old: &str, new: &str) -> Self {
        let bench = Self::new();
        let text = bench.read("tiny.toml");
        assert!(text.contains(old), "the spec has no {old}");
        bench.write("tiny.toml", text.replacen(old, new, 1));
        bench
    }

    /// A bench whose model begins with random weights: as wide and deep as the fixture, and no checkpoint anywhere.
    pub(crate) fn with_random_weights() -> Self {
        let bench = Self::new();
        let model = parity("neox-parallel");
        let path = format!("path = \"{}\"", model.to_str().expect("a plain path"));
        let shape = "random = { layers = 2, width = 32, heads = 2, vocabulary = 40 }";
        bench.write("tiny.toml", bench.read("tiny.toml").replace(&path, shape));
        bench
    }

    /// A bench with a copy of the fixture's checkpoint in `model/`, which its spec names.
    pub(crate) fn with_model() -> Self {
        let bench = Self::new();
        copy_checkpoint("neox-parallel", &bench.path("model"));
        let model = parity("neox-parallel");
        let text = bench.read("tiny.toml");
        bench.write(
            "tiny.toml",
            text.replace(model.to_str().expect("a plain path"), "model"),
        );
        bench
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    #[track_caller]
    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The objects of a file of JSON lines.
    #[track_caller]
    pub(crate) fn lines(&self, name: &str) -> Vec<Value> {
        let text = self.read(name);
        assert!(text.ends_with('\n'), "{name} ends with a whole line");
        let lines = text.lines().map(serde_json::from_str);
        lines.map(|line| line.expect("JSON")).collect()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file of a folder")).expect("make the folder");
        fs::write(path, bytes).expect("write");
    }

    /// Rewrites a JSON file.
    pub(crate) fn edit_json(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = self.json(name);
        change(&mut value);
        self.write(name, value.to_string());
    }

    /// Rewrites the weights of `model/`.
    pub(crate) fn edit_weights(&self, change: impl FnOnce(&mut BTreeMap<String, Array>)) {
        self.edit_tensors("model/model.safetensors", change);
    }

    /// Changes the tensors of a file.
    pub(crate) fn edit_tensors(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, Array>),
    ) {
        let path = self.path(name);
        let bytes = fs::read(&path).expect("read the weights");
        let file = SafeTensors::deserialize(&bytes).expect("whole weights");
        let mut arrays = BTreeMap::new();
        for (name, view) in file.tensors() {
            let array = Array {
                kind: view.dtype(),
                shape: view.shape().to_vec(),
                bytes: view.data().to_vec(),
            };
            arrays.insert(name, array);
        }
        change(&mut arrays);
        let views = arrays.iter().map(|(name, a)| {
            let view = TensorView::new(a.kind, a.shape.clone(), &a.bytes).expect("shape and bytes");
            (name, view)
        });
        let bytes = safetensors::serialize(views, None).expect("serialise");
        fs::write(path, bytes).expect("write the weights");
    }

    pub(crate) fn call(&self, arguments: &[&str]) -> Outcome {
        call(self.root(), arguments)
    }

    /// Runs the tiny spec into `out`. On the CPU: a machine with a GPU must give the same numbers.
    pub(crate) fn run(&self, out: &str, more: &[&str]) -> Outcome {
        let mut arguments = vec!["run", "tiny.toml", "--device", "cpu", "--out", out];
        arguments.extend(more);
        self.call(&arguments)
    }

    /// Runs the tiny spec to its end into `out`, whatever the gate says of it.
    #[track_caller]
    pub(crate) fn finish(&self, out: &str, more: &[&str]) -> Outcome {
        let outcome = self.run(out, more);
        let code = &self.json(&format!("{out}/report.json"))["gate"]["exit_code"];
        let code = i32::try_from(code.as_i64().expect("a code")).expect("a small code");
        assert!([0, 1, 3].contains(&code), "{code}");
        outcome.ended(code)
    }

    /// Mints the canaries of the tiny spec into `out`.
    #[track_caller]
    pub(crate) fn mint(&self, out: &str, more: &[&str]) {
        let arguments = ["mint", "tiny.toml", "--out", out, "--quiet"];
        self.call(&[&arguments, more].concat()).ended(0);
    }

    /// A finished run of a tiny spec in `out`, and its table: of this build, or the one of `fixtures/runs` where it runs no models.
    #[track_caller]
    pub(crate) fn finished(&self, out: &str) -> String {
        if cfg!(feature = "torch") {
            self.finish(out, &["--quiet"]).stdout
        } else {
            self.kept("run", out)
        }
    }

    /// A copy in `out` of the run or the probe of `fixtures/runs`, its reports made anew, and its table.
    pub(crate) fn kept(&self, name: &str, out: &str) -> String {
        copy_folder(
            &repository().join("fixtures/runs").join(name),
            &self.path(out),
        );
        let dir = RunDir::existing(&self.path(out));
        let audit = unsaid::spec::load(&dir.spec(), &[]).expect("a spec");
        let provenance = read_provenance(&dir.provenance()).expect("a record");
        let report = make(&audit, &dir, &provenance.expect("there"), None).expect("whole cells");
        render(&report, Format::Table, 80, false).expect("a table")
    }

    /// The rows of a finished run.
    #[track_caller]
    pub(crate) fn rows(&self, out: &str) -> Value {
        let rows = self.json(&format!("{out}/report.json"))["rows"].take();
        assert!(rows.as_array().is_some_and(|rows| !rows.is_empty()));
        rows
    }

    /// Calls the program, which must end 2 with one message that holds the words, no result and no file touched.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let before = self.tree("");
        self.call(arguments).failed(2, words);
        assert!(self.tree("") == before, "{arguments:?} touched a file");
    }

    /// Runs the tiny spec into `out`, which must be refused.
    #[track_caller]
    pub(crate) fn refuses_run(&self, more: &[&str], words: &[&str]) {
        let mut arguments = vec!["run", "tiny.toml", "--device", "cpu", "--out", "out"];
        arguments.extend(more);
        self.refuses(&arguments, words);
    }

    /// Changes to the tiny spec that every command must refuse which reads it.
    #[track_caller]
    pub(crate) fn refuses_spec(&self, more: &[&str], words: &[&str]) {
        self.refuses(&[&["check", "tiny.toml"], more].concat(), words);
        if cfg!(feature = "torch") {
            self.refuses_run(more, words);
        }
    }

    /// Canaries of the tiny spec, so changed, that can be neither minted nor planted.
    #[track_caller]
    pub(crate) fn refuses_canaries(&self, more: &[&str], words: &[&str]) {
        self.refuses(
            &[&["mint", "tiny.toml", "--out", "out"], more].concat(),
            words,
        );
        if cfg!(feature = "torch") {
            self.refuses_run(more, words);
        }
    }

    /// Every file below a folder with its bytes; a folder has none.
    pub(crate) fn tree(&self, below: &str) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.path(below)];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path.clone());
                    found.insert(path, None);
                } else {
                    found.insert(path.clone(), Some(fs::read(&path).expect("a file")));
                }
            }
        }
        found
    }
}

/// The command line of a probe of `model` for the canaries of `minted/`.
pub(crate) fn probe_of<'a>(model: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["probe", "--model", model, "--device", "cpu", "--out", out];
    arguments.extend(["--canaries", "minted/manifest.jsonl"]);
    arguments.extend(more);
    arguments
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("make the folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copy the file");
        }
    }
}

//! The built program, what one call of it left behind, and the fixtures' checkpoints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file or checkpoint folder of the parity fixtures.
pub(crate) fn parity(name: &str) -> PathBuf {
    repository().join("fixtures/parity").join(name)
}

/// Copies a checkpoint of the parity fixtures, file by file: what a test may damage.
pub(crate) fn copy_checkpoint(name: &str, to: &Path) {
    fs::create_dir_all(to).expect("make the folder");
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(parity(name).join(file), to.join(file)).expect("copy the fixture");
    }
}

/// The program, to be run in `folder`, with nothing of the caller's environment that could change what it prints or finds.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unsaid"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", "80")
        // Tests run beside each other on all cores already; more threads would only wait for one another.
        .env("OMP_NUM_THREADS", "1")
        // Nor may two threads spin while they wait for one another.
        .env("OMP_WAIT_POLICY", "PASSIVE")
        // A model of the caller's cache must not be found by chance.
        .env("HF_HUB_CACHE", folder.join("no-cache"))
        // Nor may the network be asked for it.
        .env("HF_HUB_OFFLINE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "RUST_LOG",
        "GITHUB_STEP_SUMMARY",
    ] {
        command.env_remove(name);
    }
    command
}

/// What a call left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Calls the program and waits for it.
pub(crate) fn call(folder: &Path, arguments: &[&str]) -> Outcome {
    let output = program(folder, arguments).output();
    output.expect("the program starts").into()
}

impl Outcome {
    /// Ended with `code` and without a word of error.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.stderr.contains("error:"), "{self:#?}");
        self
    }

    /// Failed with `code`, no result, and one message that holds every word in this order.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.stdout, "", "a failure has no result");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        let mut parts = self.stderr.split("error: ");
        let before = parts.next().unwrap_or_default();
        let message = parts.next().expect("a message");
        assert_eq!(parts.next(), None, "one message: {}", self.stderr);
        assert!(
            before.is_empty() || before.ends_with('\n'),
            "the message begins a line: {}",
            self.stderr
        );
        let mut rest = message;
        for word in words {
            let Some(at) = rest.find(word) else {
                panic!("no `{word}` in this order in: {message}");
            };
            rest = &rest[at + word.len()..];
        }
    }
}

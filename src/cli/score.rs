//! `unsaid score`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::args::{LongLines, ScoreArgs};
use super::failure::Failure;
use super::model::open;
use super::output;
use super::progress::{Progress, watch_signals};
use crate::bounded::read_line;
use crate::checkpoint::{Folder, Tokenizer, TokenizerError};
use crate::device::{self, Arithmetic, Device};
use crate::event::{Event, Observer};
use crate::exit::ExitCode;
use crate::model::Model;
use crate::score::{ScoreError, Scorer};
use crate::units::TokenId;

/// Longest line, bytes; a context of a million tokens is shorter.
const LINE_MAX: u64 = 16 << 20;

/// Largest input, bytes: all of it is read before the first line is scored, so that a bad line spoils no output.
const ALL_MAX: u64 = 1 << 30;

/// Lines scored between two writes.
const CHUNK: usize = 512;

struct InputLine {
    number: usize,
    map: Map<String, Value>,
    tokens: Vec<TokenId>,
}

/// Cuts lines that have more tokens than the model takes, and counts them.
struct Cutting {
    /// Most tokens of a line: the model's context and one more, which is scored and not read.
    most: usize,
    lines: usize,
    longest: usize,
}

impl Cutting {
    /// Cuts a line at its end, and adds how many tokens it had as `cut_from`.
    fn cut(&mut self, line: &mut InputLine) {
        let length = line.tokens.len();
        if length <= self.most {
            return;
        }
        self.lines += 1;
        self.longest = self.longest.max(length);
        line.tokens.truncate(self.most);
        line.map.insert("cut_from".to_owned(), Value::from(length));
    }

    fn warning(&self) -> Option<String> {
        (self.lines > 0).then(|| {
            format!(
                "warning: {} line(s) were cut to the first {} tokens, the longest had {}; \"cut_from\" says how many each had",
                self.lines, self.most, self.longest
            )
        })
    }
}

pub(super) fn score(args: &ScoreArgs) -> Result<ExitCode, Failure> {
    output::start_log(&args.log);
    let device = device::resolve(args.device)?;
    watch_signals()?;
    let mut progress = Progress::new(&args.log);
    let folder = open("--model", &args.model, args.base.as_deref(), &mut progress)?.folder;
    let mut model = load(&folder, device)?;
    let mut reference = match &args.reference {
        Some(name) => {
            let subject = open("--reference", name, None, &mut progress)?;
            Some(load(&subject.folder, device)?)
        }
        None => None,
    };
    let mut lines = read(args, &folder, &mut progress)?;
    if args.long == LongLines::Cut {
        let models = [Some(&model), reference.as_ref()];
        let contexts = models.into_iter().flatten();
        let least = contexts.map(|m| m.config().max_positions).min();
        let mut cutting = Cutting {
            most: least.unwrap_or(0).saturating_add(1),
            lines: 0,
            longest: 0,
        };
        for line in &mut lines {
            cutting.cut(line);
        }
        if let Some(warning) = cutting.warning() {
            progress.event(&Event::Note(&warning));
        }
    }
    for line in &mut lines {
        let ids: Vec<u32> = line.tokens.iter().map(|t| t.0).collect();
        line.map.insert("tokens".to_owned(), Value::from(ids));
    }
    progress.event(&Event::Started {
        label: "scoring",
        total: lines.len() as u64,
        unit: "lines",
    });
    let mut done = 0;
    for chunk in lines.chunks(CHUNK) {
        if progress.interrupted() {
            return Ok(ExitCode::Interrupted);
        }
        let mut scored = vec![("logprobs", logprobs(&mut model, chunk)?)];
        if let Some(reference) = &mut reference {
            scored.push(("reference_logprobs", logprobs(reference, chunk)?));
        }
        let mut text = String::new();
        for (i, line) in chunk.iter().enumerate() {
            let mut map = line.map.clone();
            for (key, values) in &scored {
                map.insert((*key).to_owned(), Value::from(values[i].clone()));
            }
            text.push_str(&Value::Object(map).to_string());
            text.push('\n');
        }
        output::result(&text)?;
        done += chunk.len();
        progress.event(&Event::Advanced {
            done: done as u64,
            state: "",
        });
    }
    progress.event(&Event::Finished);
    Ok(ExitCode::WithinGate)
}

fn load(folder: &Folder, device: Device) -> Result<Model, Failure> {
    Ok(Model::load(folder, device, Arithmetic::F32)?)
}

fn logprobs(model: &mut Model, lines: &[InputLine]) -> Result<Vec<Vec<f32>>, Failure> {
    let rows: Vec<_> = lines.iter().map(|l| l.tokens.clone()).collect();
    let scores = model.score(&rows, &[]).map_err(|e| name_line(e, lines))?;
    Ok(scores.into_iter().map(|s| s.logprobs).collect())
}

/// Names the line of the input where the error names a row.
fn name_line(error: ScoreError, lines: &[InputLine]) -> Failure {
    let row = match &error {
        ScoreError::TooShort { row, .. }
        | ScoreError::UnknownToken { row, .. }
        | ScoreError::TooLong { row, .. } => *row,
        ScoreError::Backend(_) => return error.into(),
    };
    let number = lines.get(row).map_or(0, |l| l.number);
    let message = error.to_string();
    let rest = message
        .strip_prefix(&format!("row {row}"))
        .unwrap_or(&message);
    Failure::Input(format!("line {number}{rest}"))
}

fn read(
    args: &ScoreArgs,
    folder: &Folder,
    observer: &mut dyn Observer,
) -> Result<Vec<InputLine>, Failure> {
    let path = args.input.as_path();
    let shown = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let unreadable = |e: io::Error| {
        Failure::Input(format!(
            "cannot read {shown}: {e}; give a UTF-8 file of JSON lines, or - for standard input"
        ))
    };
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let mut reader = reader.take(ALL_MAX);
    let mut tokenizer = None;
    let mut lines = Vec::new();
    for i in 0.. {
        let Some(text) = read_line(&mut reader, LINE_MAX).map_err(unreadable)? else {
            break;
        };
        if reader.limit() == 0 {
            return Err(Failure::Input(format!(
                "{shown} holds {ALL_MAX} bytes or more: score it in parts"
            )));
        }
        if text.trim().is_empty() {
            continue;
        }
        let bad = |what: &str| {
            Failure::Input(format!(
                "{shown}, line {}: {what}; a line is {{\"tokens\": [1, 2, …]}} or {{\"text\": \"…\"}}",
                i + 1
            ))
        };
        let (map, tokens) = parse_line(&text).map_err(|problem| bad(&problem))?;
        let tokens = match tokens {
            Asked::Tokens(tokens) => tokens,
            Asked::Text(text) => {
                let loaded = if let Some(loaded) = tokenizer.take() {
                    loaded
                } else {
                    let first = folder.tokenizer()?;
                    let note = first.note().filter(|_| !args.no_special_tokens);
                    if let Some(note) = note {
                        observer.event(&Event::Note(note));
                    }
                    first
                };
                encode(&text, tokenizer.insert(loaded), args.no_special_tokens)
                    .map_err(|e| bad(&e.to_string()))?
            }
        };
        lines.push(InputLine {
            number: i + 1,
            map,
            tokens,
        });
    }
    Ok(lines)
}

/// What a line of the input asks to be scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// These tokens.
    Tokens(Vec<TokenId>),
    /// The tokens of this text.
    Text(String),
}

/// Reads one line of `unsaid score`'s input: all its keys, and what it asks for.
///
/// Errors: what is wrong with it, without a word of what stands there: it may be a secret.
pub fn parse_line(line: &str) -> Result<(Map<String, Value>, Asked), String> {
    let map: Map<String, Value> =
        serde_json::from_str(line).map_err(|e| format!("not JSON at column {}", e.column()))?;
    let asked = match (map.get("tokens"), map.get("text")) {
        (Some(tokens), _) => Asked::Tokens(Vec::deserialize(tokens).map_err(|_| {
            format!(
                "\"tokens\" is no list of whole numbers from 0 to {}",
                u32::MAX
            )
        })?),
        (None, Some(Value::String(text))) => Asked::Text(text.clone()),
        (None, Some(_)) => return Err("\"text\" is not a string".to_owned()),
        (None, None) => return Err("neither \"tokens\" nor \"text\"".to_owned()),
    };
    Ok((map, asked))
}

fn encode(text: &str, tokenizer: &Tokenizer, plain: bool) -> Result<Vec<TokenId>, TokenizerError> {
    if plain {
        tokenizer.encode(text)
    } else {
        tokenizer.encode_whole(text)
    }
}

//! A cell's observations on disk: `observations.jsonl` and `likelihoods.safetensors`, and back.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, View};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::AuditError;
use crate::bounded;
use crate::canary::{Canary, Group, Prefix};
use crate::probes::elicitation::{Attack, Point, Trajectory};
use crate::probes::ends::Ends;
use crate::probes::{CellObservations, LetterScores, ProbeResult, Snapshot};
use crate::run_dir::{CellDir, RunDirError};
use crate::units::{Phase, to_i64};

/// One line of `observations.jsonl`: a canary after a phase under a prefix.
#[derive(Serialize, Deserialize)]
struct CanaryLine {
    id: String,
    group: Group,
    phase: Phase,
    prefix: String,
    logprobs: Vec<f32>,
    alphabet_logprobs: Vec<f32>,
    ranks: Vec<f32>,
    first: Vec<f32>,
    last: Vec<f32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    orders: Vec<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<Ends>,
}

/// What a trajectory is, beside its numbers.
#[derive(Serialize, Deserialize)]
struct Header {
    phase: Phase,
    prefix: String,
    length: usize,
}

/// The metadata key of the headers.
const TRAJECTORIES: &str = "trajectories";

/// The numbers of a trajectory's points, by the names of their tensors.
const FIELDS: [&str; 4] = ["logprob", "alphabet_logprob", "rank", "first"];

fn fields(point: &Point) -> [f64; 4] {
    [
        point.logprob,
        point.alphabet_logprob,
        point.rank,
        point.first,
    ]
}

#[allow(clippy::cast_possible_truncation)]
fn short(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

fn long(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn prefix_of(name: &str) -> Option<Prefix> {
    [Prefix::Regular, Prefix::Reverse]
        .into_iter()
        .find(|p| p.name() == name)
}

fn read(path: &Path) -> Result<Vec<u8>, AuditError> {
    bounded::read_file(path, bounded::LARGE).map_err(|e| unreadable(path, e))
}

fn unreadable(path: &Path, message: impl std::fmt::Display) -> AuditError {
    RunDirError::Unreadable {
        path: path.to_owned(),
        message: message.to_string(),
    }
    .into()
}

/// A snapshot as lines, one per canary. `canaries` are in the order in which they were scored, group by group.
#[must_use]
pub fn observation_lines(snapshot: &Snapshot, canaries: &[&Canary]) -> String {
    let mut out = String::new();
    for group in Group::ALL {
        let names = canaries.iter().filter(|c| c.group == group);
        for (canary, scores) in names.zip(snapshot.group(group)) {
            let line = CanaryLine {
                id: canary.id.clone(),
                group,
                phase: snapshot.phase,
                prefix: snapshot.prefix.name().to_owned(),
                logprobs: short(&scores.logprobs),
                alphabet_logprobs: short(&scores.alphabet_logprobs),
                ranks: short(&scores.ranks),
                first: short(&scores.first),
                last: short(&scores.last),
                orders: scores.orders.clone(),
                ends: scores.ends,
            };
            // Plain numbers and names always serialise; writing to a String cannot fail.
            let json = serde_json::to_string(&line).unwrap_or_default();
            let _ = writeln!(out, "{json}");
        }
    }
    out
}

/// A tensor's bytes for the safetensors writer.
struct Array {
    shape: Vec<usize>,
    kind: Dtype,
    bytes: Vec<u8>,
}

impl View for Array {
    fn dtype(&self) -> Dtype {
        self.kind
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Trajectories as safetensors: `phase3.held_out.rank` `[canaries, evaluations]` float32, and so on; `phase3.steps` int64.
pub fn trajectories_to_bytes(trajectories: &[Trajectory]) -> Result<Vec<u8>, String> {
    let mut arrays = Vec::new();
    for trajectory in trajectories {
        let phase = trajectory.phase;
        let steps = trajectory.steps.iter().map(|&s| to_i64(s));
        arrays.push((
            format!("phase{phase}.steps"),
            Array {
                shape: vec![trajectory.steps.len()],
                kind: Dtype::I64,
                bytes: steps.flat_map(i64::to_le_bytes).collect(),
            },
        ));
        for (group, canaries) in &trajectory.groups {
            for (place, field) in FIELDS.iter().enumerate() {
                let values = canaries.iter().flatten().map(|p| fields(p)[place]);
                let values = short(&values.collect::<Vec<_>>());
                arrays.push((
                    format!("phase{phase}.{}.{field}", group.name()),
                    Array {
                        shape: vec![canaries.len(), trajectory.steps.len()],
                        kind: Dtype::F32,
                        bytes: values.into_iter().flat_map(f32::to_le_bytes).collect(),
                    },
                ));
            }
        }
    }
    // One key: the writer puts several in no fixed order, and equal runs must give equal bytes.
    let headers: Vec<Header> = trajectories
        .iter()
        .map(|t| Header {
            phase: t.phase,
            prefix: t.prefix.name().to_owned(),
            length: t.length,
        })
        .collect();
    let json = serde_json::to_string(&headers).map_err(|e| e.to_string())?;
    let metadata = HashMap::from([(TRAJECTORIES.to_owned(), json)]);
    safetensors::serialize(arrays, Some(metadata)).map_err(|e| e.to_string())
}

/// Reads the trajectories of one `likelihoods.safetensors`.
pub fn trajectories_from_bytes(bytes: &[u8], path: &Path) -> Result<Vec<Trajectory>, AuditError> {
    let bad = |message: &str| unreadable(path, message);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| unreadable(path, e))?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| unreadable(path, e))?;
    let headers = header
        .metadata()
        .as_ref()
        .and_then(|m| m.get(TRAJECTORIES))
        .ok_or_else(|| bad("the trajectories are not named"))?;
    let headers: Vec<Header> = serde_json::from_str(headers).map_err(|e| unreadable(path, e))?;
    let mut trajectories = Vec::new();
    for header in headers {
        let phase = header.phase;
        let steps = file
            .tensor(&format!("phase{phase}.steps"))
            .map_err(|e| unreadable(path, e))?;
        if steps.dtype() != Dtype::I64 {
            return Err(bad("the steps are not int64"));
        }
        let prefix = prefix_of(&header.prefix).ok_or_else(|| bad("the prefix is unknown"))?;
        let mut trajectory = Trajectory::new(phase, prefix);
        trajectory.length = header.length;
        trajectory.steps = words(steps.data())
            .map(|w| usize::try_from(i64::from_le_bytes(w)).map_err(|_| bad("a step is negative")))
            .collect::<Result<_, _>>()?;
        if trajectory.steps.is_empty() || !trajectory.steps.is_sorted() {
            return Err(bad("the steps are none, or in no order"));
        }
        for group in Group::ALL {
            if let Some(canaries) = read_group(&file, phase, group, trajectory.steps.len()) {
                trajectory
                    .groups
                    .insert(group, canaries.map_err(|m| bad(&m))?);
            }
        }
        trajectories.push(trajectory);
    }
    Ok(trajectories)
}

type Canaries = Vec<Vec<Point>>;

fn read_group(
    file: &SafeTensors<'_>,
    phase: Phase,
    group: Group,
    steps: usize,
) -> Option<Result<Canaries, String>> {
    let name = |field| format!("phase{phase}.{}.{field}", group.name());
    file.tensor(&name(FIELDS[0])).ok()?;
    let read = || {
        let mut columns = Vec::new();
        let mut rows = 0;
        for field in FIELDS {
            let view = file.tensor(&name(field)).map_err(|e| e.to_string())?;
            let [n, t] = view.shape() else {
                return Err(format!("{} is not a matrix", name(field)));
            };
            if *t != steps || view.dtype() != Dtype::F32 || (rows != 0 && *n != rows) {
                return Err(format!(
                    "{} has another shape or type than its steps ask for",
                    name(field)
                ));
            }
            rows = *n;
            columns.push(
                words(view.data())
                    .map(|w| f64::from(f32::from_le_bytes(w)))
                    .collect::<Vec<_>>(),
            );
        }
        let point = |i: usize| Point {
            logprob: columns[0][i],
            alphabet_logprob: columns[1][i],
            rank: columns[2][i],
            first: columns[3][i],
            ends: None,
        };
        Ok((0..rows)
            .map(|row| (row * steps..(row + 1) * steps).map(point).collect())
            .collect())
    };
    Some(read())
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// Float32 numbers as a safetensors file with one tensor.
pub fn numbers_to_bytes(name: &str, values: &[f32]) -> Result<Vec<u8>, String> {
    let array = Array {
        shape: vec![values.len()],
        kind: Dtype::F32,
        bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    safetensors::serialize([(name, array)], None).map_err(|e| e.to_string())
}

/// Reads them back.
pub fn numbers_from_file(name: &str, path: &Path) -> Result<Vec<f32>, AuditError> {
    let bytes = read(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| unreadable(path, e))?;
    let view = file.tensor(name).map_err(|e| unreadable(path, e))?;
    if view.dtype() != Dtype::F32 {
        return Err(unreadable(path, format!("{name} is not float32")));
    }
    Ok(words(view.data()).map(f32::from_le_bytes).collect())
}

/// Reads a finished cell's observations.
pub fn read_cell(cell: &CellDir, seed: u64) -> Result<CellObservations, AuditError> {
    let text = |path: &Path| bounded::text(read(path)?).map_err(|e| unreadable(path, e));
    let path = cell.likelihoods();
    let trajectories = trajectories_from_bytes(&read(&path)?, &path)?;
    let path = cell.observations();
    let snapshots = read_snapshots(&text(&path)?, &path)?;
    let path = cell.looks();
    let results = read_results(&text(&path)?, &path)?;
    let path = cell.attacks();
    let attacks = if path.exists() {
        of_lines(&text(&path)?, &path)?
    } else {
        Vec::new()
    };
    Ok(CellObservations {
        seed,
        snapshots,
        trajectories,
        attacks,
        results,
    })
}

/// Plain numbers and names as JSON lines.
fn to_lines<T: Serialize>(all: &[T]) -> String {
    // They always serialise.
    let line = |one| serde_json::to_string(one).unwrap_or_default() + "\n";
    all.iter().map(line).collect()
}

fn of_lines<T: DeserializeOwned>(text: &str, path: &Path) -> Result<Vec<T>, AuditError> {
    let read = |(i, line)| {
        serde_json::from_str(line).map_err(|e| unreadable(path, format!("line {}: {e}", i + 1)))
    };
    text.lines().enumerate().map(read).collect()
}

/// What the probes saw as lines of `looks.jsonl`.
#[must_use]
pub fn result_lines(results: &[ProbeResult]) -> String {
    to_lines(results)
}

/// Reads them back.
pub fn read_results(text: &str, path: &Path) -> Result<Vec<ProbeResult>, AuditError> {
    of_lines(text, path)
}

/// Attacks as lines of `attacks.jsonl`, every digit kept.
#[must_use]
pub fn attack_lines(attacks: &[Attack]) -> String {
    to_lines(attacks)
}

fn read_snapshots(text: &str, path: &Path) -> Result<Vec<Snapshot>, AuditError> {
    let mut snapshots: BTreeMap<(Phase, String), Snapshot> = BTreeMap::new();
    for (i, line) in text.lines().enumerate() {
        let line: CanaryLine = serde_json::from_str(line)
            .map_err(|e| unreadable(path, format!("line {}: {e}", i + 1)))?;
        let prefix = prefix_of(&line.prefix)
            .ok_or_else(|| unreadable(path, format!("line {}: unknown prefix", i + 1)))?;
        let snapshot = snapshots
            .entry((line.phase, line.prefix))
            .or_insert_with(|| Snapshot {
                phase: line.phase,
                prefix,
                groups: BTreeMap::new(),
            });
        snapshot
            .groups
            .entry(line.group)
            .or_default()
            .push(LetterScores {
                logprobs: long(&line.logprobs),
                alphabet_logprobs: long(&line.alphabet_logprobs),
                ranks: long(&line.ranks),
                first: long(&line.first),
                last: long(&line.last),
                orders: line.orders,
                ends: line.ends,
            });
    }
    Ok(snapshots.into_values().collect())
}

/// Reads what a finished cell holds but its looks: the text of its `observations.jsonl` and the bytes of its
/// `likelihoods.safetensors`.
///
/// Errors: the first thing that is wrong.
pub fn parse_cell(
    seed: u64,
    observations: &str,
    likelihoods: &[u8],
) -> Result<CellObservations, AuditError> {
    Ok(CellObservations {
        attacks: Vec::new(),
        seed,
        snapshots: read_snapshots(observations, Path::new("observations.jsonl"))?,
        trajectories: trajectories_from_bytes(likelihoods, Path::new("likelihoods.safetensors"))?,
        results: Vec::new(),
    })
}

//! A phase that is not over, on disk: what training goes on from, saved between steps and brought back by the next process.
//!
//! A state is three files of `midway/`: tensors, the trajectory and the metrics so far. It counts from the moment its
//! digests are recorded; only then the state before it is removed. Rows need no saving: they follow from seed and step.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::audit::{trajectories_from_bytes, trajectories_to_bytes};
use crate::bounded;
use crate::model::UsedRows;
use crate::native::map_file;
use crate::probes::elicitation::Trajectory;
use crate::run_dir::{
    CellDir, Ledger, Recorded, RunDirError, sha256_hex, write_atomic, write_streamed,
};
use crate::spec::Every;
use crate::training::{Failure, Trainer, TrainerState};
use crate::units::{Phase, TokenId, to_i64};

/// The record of the state in `stages.json`.
pub(super) const STAGE: &str = "midway";

/// The metadata key of [`Place`].
const PLACE: &str = "unsaid";

/// Floats that go from a device to the disk at once.
const PIECE: usize = 1 << 22;

/// The tensors of a state: the body's, then the input embedding's where it trains.
const NAMES: [&str; 6] = [
    "parameters",
    "mean",
    "square",
    "input.rows",
    "input.mean",
    "input.square",
];

/// Where in a phase a state stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) phase: Phase,
    /// The first step that is still to do.
    pub(super) next: usize,
    /// Updates that the optimiser had made.
    updates: u32,
    /// Pieces that a step was made in at least.
    pieces: usize,
    /// What belongs to the rows of the input embedding, where it trains.
    input: Option<Input>,
}

/// Rows of the input embedding that a state holds, by token; see [`UsedRows`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Input {
    tokens: Vec<TokenId>,
    decay: f64,
}

/// A state that was saved.
pub(super) struct Saved {
    pub(super) place: Place,
    path: PathBuf,
    pub(super) trajectory: Trajectory,
    pub(super) metrics: String,
}

/// Saves the states of one phase, as often as the spec asks.
pub(super) struct Keeper<'a> {
    dir: &'a CellDir,
    ledger: &'a Ledger,
    phase: Phase,
    every: Every,
    /// When the phase began here, or the last state was safe.
    since: Instant,
    /// The step to come of the last state.
    last: usize,
}

impl<'a> Keeper<'a> {
    /// For a phase whose next step is `first`.
    pub(super) fn new(
        dir: &'a CellDir,
        ledger: &'a Ledger,
        phase: Phase,
        every: Every,
        first: usize,
    ) -> Self {
        Self {
            dir,
            ledger,
            phase,
            every,
            since: Instant::now(),
            last: first,
        }
    }

    /// Whether a state is due before step `next`. The clock is one that nobody can set.
    pub(super) fn is_due(&self, next: usize) -> bool {
        match self.every {
            Every::Steps(steps) => next - self.last >= steps,
            Every::Time(time) => self.since.elapsed() >= time,
        }
    }

    /// Saves what training goes on from at step `next`; the state before it goes once this one is safe.
    pub(super) fn save(
        &mut self,
        trainer: &Trainer<'_>,
        next: usize,
        trajectory: &Trajectory,
        metrics: &str,
    ) -> Result<(), Failure> {
        let state = trainer.state();
        let mut tensors: Vec<&Tensor> = state.body.iter().collect();
        if let Some((used, moments)) = &state.input {
            tensors.push(&used.rows);
            tensors.extend(moments);
        }
        let place = Place {
            phase: self.phase,
            next,
            updates: state.steps,
            pieces: state.least_pieces,
            input: state.input.as_ref().map(|(used, _)| Input {
                tokens: used.tokens.clone(),
                decay: used.decay,
            }),
        };
        let at = |name: &str| {
            let phase = self.phase;
            self.dir
                .midway(&format!("phase-{phase}-step-{next}.{name}"))
        };
        self.dir.create_midway()?;
        let path = at("state.safetensors");
        let sha256 = write_tensors(&path, &place, &tensors)?;
        let mut files = vec![Recorded { path, sha256 }];
        let likelihoods = trajectories_to_bytes(std::slice::from_ref(trajectory))?;
        for (name, bytes) in [
            ("likelihoods.safetensors", &likelihoods[..]),
            ("metrics.jsonl", metrics.as_bytes()),
        ] {
            let (path, sha256) = (at(name), sha256_hex(bytes));
            write_atomic(&path, bytes)?;
            files.push(Recorded { path, sha256 });
        }
        let keep: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        self.ledger.record_digests(STAGE, files, None)?;
        self.dir.clear_midway(&keep)?;
        self.since = Instant::now();
        self.last = next;
        Ok(())
    }
}

/// What there is of a saved state.
pub(super) enum Found {
    /// None: the phase begins at its first step.
    Nothing,
    /// One that cannot be used, and why: the phase begins at its first step.
    Damaged(String),
    /// One to go on from.
    State(Box<Saved>),
}

/// Looks for a saved state of `phase` in a cell.
///
/// A damaged one is no error: the phase can always be begun again, to the same end.
pub(super) fn find(ledger: &Ledger, phase: Phase) -> Found {
    let Some(files) = ledger.recorded(STAGE) else {
        return Found::Nothing;
    };
    let named = |name: &str| {
        files
            .iter()
            .map(|file| &file.path)
            .find(|path| path.to_string_lossy().ends_with(name))
            .ok_or_else(|| format!("its {name} is not recorded"))
    };
    let read = || -> Result<Saved, String> {
        if let Some(file) = files.iter().find(|file| !file.is_unchanged()) {
            return Err(format!("{} is not what was recorded", file.path.display()));
        }
        let path = named("state.safetensors")?;
        let place = read_place(path)?;
        let at = named("likelihoods.safetensors")?;
        let bytes = bounded::read_file(at, bounded::LARGE).map_err(|e| e.to_string())?;
        let trajectories = trajectories_from_bytes(&bytes, at).map_err(|e| e.to_string())?;
        let [trajectory] = <[Trajectory; 1]>::try_from(trajectories)
            .map_err(|_| format!("{} holds another number of phases", at.display()))?;
        let metrics = bounded::read_text(named("metrics.jsonl")?, bounded::LARGE);
        Ok(Saved {
            place,
            path: path.clone(),
            trajectory,
            metrics: metrics.map_err(|e| e.to_string())?,
        })
    };
    match read() {
        Ok(saved) if saved.place.phase == phase => Found::State(Box::new(saved)),
        Ok(_) => Found::Nothing,
        Err(why) => Found::Damaged(why),
    }
}

impl Saved {
    /// Puts a fresh trainer of the same phase where the saved one was.
    ///
    /// Errors: the tensors are not the trainer's.
    pub(super) fn restore(&self, trainer: &mut Trainer<'_>) -> Result<(), Failure> {
        let map = File::open(&self.path).and_then(|file| map_file(&file))?;
        let file = SafeTensors::deserialize(&map)?;
        let read = |name: &str| -> Result<Tensor, Failure> {
            let view = file.tensor(name)?;
            let size: Vec<i64> = view.shape().iter().map(|&n| to_i64(n)).collect();
            if view.dtype() != Dtype::F32 {
                return Err(format!("the saved {name} are not float32").into());
            }
            Ok(Tensor::f_from_data_size(view.data(), &size, Kind::Float)?)
        };
        let [parameters, mean, square, rows, rows_mean, rows_square] = NAMES;
        let input = match &self.place.input {
            None => None,
            Some(input) => Some((
                UsedRows {
                    tokens: input.tokens.clone(),
                    rows: read(rows)?,
                    decay: input.decay,
                },
                [read(rows_mean)?, read(rows_square)?],
            )),
        };
        Ok(trainer.restore(&TrainerState {
            steps: self.place.updates,
            least_pieces: self.place.pieces,
            body: [read(parameters)?, read(mean)?, read(square)?],
            input,
        })?)
    }
}

/// Writes float32 tensors of [`NAMES`] as safetensors, a piece at a time: a state is three times the model, and memory is full of it.
fn write_tensors(path: &Path, place: &Place, tensors: &[&Tensor]) -> Result<String, Failure> {
    let mut header = serde_json::Map::new();
    let metadata = HashMap::from([(PLACE, serde_json::to_string(place)?)]);
    header.insert("__metadata__".to_owned(), serde_json::to_value(metadata)?);
    let mut end = 0;
    for (name, tensor) in NAMES.iter().zip(tensors) {
        if tensor.kind() != Kind::Float {
            return Err(format!("the {name} are not float32").into());
        }
        let begin = end;
        end += 4 * tensor.numel();
        header.insert(
            (*name).to_owned(),
            serde_json::json!({"dtype": "F32", "shape": tensor.size(), "data_offsets": [begin, end]}),
        );
    }
    let mut header = serde_json::to_vec(&header)?;
    // The data begin at a multiple of eight, as the format asks.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(write_streamed(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for tensor in tensors {
            write_floats(out, tensor).map_err(io::Error::other)??;
        }
        Ok(())
    })?)
}

fn write_floats(out: &mut dyn Write, tensor: &Tensor) -> Result<io::Result<()>, tch::TchError> {
    let flat = tensor.f_detach()?.f_contiguous()?.f_view([-1i64])?;
    let mut bytes = vec![0; 4 * PIECE.min(flat.numel())];
    for from in (0..flat.numel()).step_by(PIECE) {
        let n = PIECE.min(flat.numel() - from);
        let piece = flat
            .f_narrow(0, to_i64(from), to_i64(n))?
            .f_to_device(tch::Device::Cpu)?;
        piece.f_copy_data_u8(&mut bytes[..4 * n], n)?;
        if let Err(e) = out.write_all(&bytes[..4 * n]) {
            return Ok(Err(e));
        }
    }
    Ok(Ok(()))
}

fn read_place(path: &Path) -> Result<Place, String> {
    let map = File::open(path)
        .and_then(|file| map_file(&file))
        .map_err(|e| e.to_string())?;
    let (_, header) = SafeTensors::read_metadata(&map).map_err(|e| e.to_string())?;
    let place = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(PLACE))
        .ok_or("it does not say where it stands")?;
    serde_json::from_str(place).map_err(|e| e.to_string())
}

/// The record that a phase is over and its saved state with it.
pub(super) fn finish(
    dir: &CellDir,
    ledger: &Ledger,
    stage: &str,
    files: &[PathBuf],
) -> Result<(), RunDirError> {
    ledger.record(stage, files, Some(STAGE))?;
    dir.clear_midway(&[])
}
